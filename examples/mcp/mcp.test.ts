import { testCall } from '../example.ts'

testCall('mcp')
