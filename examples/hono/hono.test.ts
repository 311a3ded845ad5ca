import { testExample } from '../example.ts'

testExample('hono')
