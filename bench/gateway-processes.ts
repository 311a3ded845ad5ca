/**
 * A process of bench/gateway.ts: `gateway-processes.ts gateway|upstream UPSTREAM_PORT`. The gateway tells its parent
 * its port and the tokens it takes.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createKeySet, createSigner, generateSigningKey, verificationKey } from '@countersign/sdk/jwt'
import { createGateway } from '../packages/server/src/gateway/gateway.ts'

const [kind, upstreamPort = ''] = process.argv.slice(2)
if (kind === 'gateway') await serveGateway()
else serveUpstream()

async function serveGateway(): Promise<void> {
  const issuer = 'https://issuer.acme.example'
  const audience = 'https://billing.acme.example'
  const key = generateSigningKey('ES256')
  const requirement = { roles: 'reader' }
  const routes = [
    { method: 'GET', template: '/invoices/{id}', requirement, line: 1 },
    { method: 'GET', template: '/files/{**}', requirement, line: 2 },
  ]
  const billing = {
    name: 'billing',
    audience,
    roles: ['reader'],
    scopes: [],
    upstream: `http://127.0.0.1:${upstreamPort}`,
    at: '/billing',
    host: undefined,
    accepts: [],
    acceptsOwn: true,
    tokenFrom: [{ kind: 'bearer' } as const],
    routes,
  }
  const gateway = createGateway({
    trust: {
      file: 'bench',
      issuer: undefined,
      gateway: { listen: { host: '127.0.0.1', port: 0 }, realm: 'bench' },
      trusted: new Map(),
      services: new Map([['billing', billing]]),
      clients: new Map(),
    },
    ownIssuer: { issuer, keySet: createKeySet([verificationKey(key)]) },
  })
  gateway.server.listen(0, '127.0.0.1')
  await once(gateway.server, 'listening')
  const signer = createSigner({ key })
  const iat = Math.floor(Date.now() / 1000)
  const tokens = Array.from({ length: 10_000 }, (_, index) =>
    signer.sign({
      iss: issuer,
      aud: audience,
      sub: `orders-${index}`,
      client_id: `orders-${index}`,
      scope: 'invoices:read invoices:write',
      roles: ['reader', 'auditor'],
      iat,
      exp: iat + 3600,
      jti: `token-${index}`,
    }),
  )
  process.send!({ port: (gateway.server.address() as AddressInfo).port, tokens })
}

/** For machines without nginx. */
function serveUpstream(): void {
  const small = Buffer.from(
    JSON.stringify({ id: 7, customer: 'c-1004', state: 'paid', lines: 'x'.repeat(129) }),
  )
  const large = Buffer.alloc(100 * 1024, 'x')
  const server = createServer((request, response) => {
    const body = request.url?.startsWith('/files') === true ? large : small
    response.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', String(body.length)])
    response.end(body)
  })
  server.keepAliveTimeout = 60_000
  server.listen(Number(upstreamPort), '127.0.0.1')
}
