import { testExample } from '../example.ts'

testExample('nest')
