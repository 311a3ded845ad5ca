import { testExample } from '../example.ts'

testExample('koa')
