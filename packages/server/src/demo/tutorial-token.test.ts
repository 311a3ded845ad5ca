import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Secret } from '@countersign/sdk/core'
import { createTutorialEndpoint } from './tutorial-token.ts'

const nowMs = 1_800_000_000_999
const answer = createTutorialEndpoint({ key: Secret.fromText('unicorns'), clock: () => nowMs })
const server = createServer((req, res) => {
  if (!answer(req, res)) res.writeHead(404).end('the issuer')
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo
test.after(() => server.close())

test('GET / answers with the token alone: the tutorial’s header and claims, one minute, signed with the key', async () => {
  const { status, headers, body } = await ask({})
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
  assert.equal(headers['cache-control'], 'no-store')
  const [header = '', claims = '', signature] = body.split('.')
  assert.deepEqual(JSON.parse(decode(header)), { alg: 'HS256', typ: 'JWT' })
  assert.deepEqual(JSON.parse(decode(claims)), {
    authorized: true,
    client: 'Krissanawat',
    aud: 'billing.jwtgo.io',
    iss: 'jwtgo.io',
    exp: 1_800_000_060,
  })
  assert.equal(signature, createHmac('sha256', 'unicorns').update(`${header}.${claims}`).digest('base64url'))
})

test('every name of this machine is answered, whatever the port', async () => {
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1', `127.0.0.1:${port}`, '[::1]', '[::1]:8080']) {
    assert.equal((await ask({ host })).status, 200, host)
  }
})

test('DNS rebinding: another site’s name for this machine gets no token', async () => {
  const hosts = [
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    'localhost@evil.example',
    '::1',
  ]
  for (const host of [...hosts, '127.0.0.1.evil.example', 'localhost:8080:1', 'localhost:', 'localhost.']) {
    const { status, body } = await ask({ host })
    assert.equal(status, 403, host)
    assert.equal(body, 'This endpoint answers on localhost only: ask for it by that name.\n')
  }
})

test('everything else is the issuer’s', async () => {
  for (const [method, path] of [
    ['POST', '/'],
    ['GET', '/token'],
    ['GET', '/?x=1'],
    ['GET', '//'],
  ] as const) {
    assert.equal((await ask({ method, path })).body, 'the issuer', `${method} ${path}`)
  }
})

test('HEAD / has the headers of GET / and no token', async () => {
  const { status, body } = await ask({ method: 'HEAD' })
  assert.equal(status, 200)
  assert.equal(body, '')
})

function ask({ method = 'GET', path = '/', host = 'localhost' }) {
  return new Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }>(
    (resolve, reject) => {
      const req = request({ host: '127.0.0.1', port, method, path, headers: { host } }, async (res) => {
        let body = ''
        for await (const chunk of res.setEncoding('utf8')) body += chunk
        resolve({ status: res.statusCode, headers: res.headers, body })
      })
      req.on('error', reject).end()
    },
  )
}

function decode(part: string): string {
  return Buffer.from(part, 'base64url').toString()
}
