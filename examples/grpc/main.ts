import * as grpc from '@grpc/grpc-js'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { authOf, guardGrpc } from '@countersign/sdk/grpc'
import { Invoices } from './service.ts'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const routes = readRoutes({ 'POST /billing.Invoices/Read': { roles: 'reader' } })

const server = new grpc.Server({ interceptors: [guardGrpc(guard, routes, grpc)] })
server.addService(Invoices.service, {
  Read: (call: grpc.ServerUnaryCall<{ id: string }, object>, done: grpc.sendUnaryData<object>) => {
    done(null, { text: `invoice ${call.request.id} for ${authOf(call.metadata).subject}` })
  },
})

const address = `127.0.0.1:${process.env['PORT'] ?? 3000}`
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  console.log(`listening on http://127.0.0.1:${port}`)
})
