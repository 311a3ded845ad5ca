import { testCall } from '../example.ts'

testCall('grpc')
