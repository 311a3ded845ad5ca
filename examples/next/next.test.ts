import { testExample } from '../example.ts'

testExample('next')
