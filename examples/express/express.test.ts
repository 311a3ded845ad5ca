import { testExample } from '../example.ts'

testExample('express')
