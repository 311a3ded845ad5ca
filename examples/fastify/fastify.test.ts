import { testExample } from '../example.ts'

testExample('fastify')
