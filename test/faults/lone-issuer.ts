/**
 * Test support: an issuer in a process of its own, with a tenth of the usual patience, or all of it. Prints its port, and for
 * each line that it is sent the number of its connections. `lone-issuer.ts [patient]`
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createIssuer } from '../../packages/server/src/issuer/issuer.ts'
import { issuerServerOptions, protectServer } from '../../packages/server/src/issuer/http/server-options.ts'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import { settings, trust } from '../issuer/fixture.ts'

const issuer = await createIssuer({
  settings: settings('http://issuer.example'),
  trust: trust(),
  store: createMemoryStore(),
})
const hurried = { headersTimeout: 1500, requestTimeout: 2000, connectionsCheckingInterval: 250 }
const patience = process.argv[2] === 'patient' ? {} : hurried
const server = createServer({ ...issuerServerOptions, ...patience }, issuer.listener)
protectServer(server)
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
process.stdin.on('data', () => {
  server.getConnections((_, count) => process.stdout.write(`${count}\n`))
})
