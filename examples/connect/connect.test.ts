import { testCall } from '../example.ts'

testCall('connect')
