/** Test support: one replica of an issuer in a process of its own; prints its port, runs until it is killed. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Secret } from '@countersign/sdk/core'
import { createIssuer } from '../../packages/server/src/issuer/issuer.ts'
import { openPostgresStore } from '../../packages/server/src/store/postgres.ts'
import { settings, trust } from '../issuer/fixture.ts'

const { DATABASE_URL: url = '', ISSUER: issuerUrl = '', TIMES = '' } = process.env
const { cacheSeconds, rotateEverySeconds, lifetimeSeconds } = JSON.parse(TIMES) as Record<string, number>
const issuer = await createIssuer({
  settings: settings(issuerUrl, {
    keys: {
      algorithm: 'ES256',
      rotateEverySeconds: rotateEverySeconds!,
      seal: Secret.fromText('a seal that every replica has got'),
      dangerouslyUnsealed: false,
    },
    tokens: { lifetimeSeconds: lifetimeSeconds! },
  }),
  trust: trust(),
  store: await openPostgresStore({ url: Secret.fromText(url) }),
  cacheSeconds: cacheSeconds!,
})
const server = createServer(issuer.listener)
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
