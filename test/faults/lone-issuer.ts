/**
 * Test support: an issuer in a process of its own, with as many seconds of patience, or the usual. Prints its port, and for
 * each line that it is sent the number of its connections; a number in that line is its patience from now on.
 * `lone-issuer.ts [SECONDS]`
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
const patienceMs = Number(process.argv[2] ?? 0) * 1000
const patience =
  patienceMs === 0
    ? {}
    : { headersTimeout: patienceMs, requestTimeout: patienceMs + 500, connectionsCheckingInterval: 250 }
const server = createServer({ ...issuerServerOptions, ...patience }, issuer.listener)
protectServer(server)
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
process.stdin.on('data', (line) => {
  const seconds = Number(String(line))
  if (seconds > 0) {
    server.headersTimeout = seconds * 1000
    server.requestTimeout = server.headersTimeout + 500
  }
  server.getConnections((_, count) => process.stdout.write(`${count}\n`))
})
