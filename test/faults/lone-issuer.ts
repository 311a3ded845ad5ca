/** Test support: an issuer in a process of its own, with a tenth of the usual patience; prints its port. */
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
const patience = { headersTimeout: 1500, requestTimeout: 2000, connectionsCheckingInterval: 250 }
const server = createServer({ ...issuerServerOptions, ...patience }, issuer.listener)
protectServer(server)
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
