import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGateway } from '../gateway/gateway.ts'
import { silentLog } from '../log.ts'
import { readTrust } from '../trust/read.ts'
import { listenGateway, tracingIfAny } from './gateway-listeners.ts'

test('the gateway and each kind of proxy have an address of their own', async (t) => {
  const text = `gateway: { listen: 127.0.0.1:0, authz: { nginx: { listen: 127.0.0.1:0 } } }
services: { a: { audience: a, at: /a, accepts: [], upstream: http://127.0.0.1:1, routes: { GET /: open } } }
`
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  const trust = reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
  const gateway = createGateway({ trust })
  t.after(() => gateway.close())
  const { gateway: own, authz } = await listenGateway(gateway, trust, silentLog)
  assert.ok(own.port > 0 && authz!.nginx!.port > 0 && own.port !== authz!.nginx!.port)
  assert.equal((await fetch(`http://127.0.0.1:${own.port}/a/`)).status, 502)
})

test('where nobody traces, nothing is loaded for it', async () => {
  assert.equal(await tracingIfAny(), undefined)
})
