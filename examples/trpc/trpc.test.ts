import { testCall } from '../example.ts'

testCall('trpc')
