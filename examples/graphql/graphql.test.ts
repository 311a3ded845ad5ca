import { testCall } from '../example.ts'

testCall('graphql')
