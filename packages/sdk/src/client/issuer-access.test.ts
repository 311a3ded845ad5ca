import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Problem } from '../core/problem.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import { IssuerAccess } from './issuer-access.ts'

const grant = { grant_type: 'client_credentials' }

test('the endpoint is looked up once, and again after a failure that is no refusal', async () => {
  await using issuer = await startTestIssuer()
  const access = new IssuerAccess(issuer.credentials())
  for (let time = 0; time < 3; time++) await access.ask(grant, issuer.clock())
  assert.equal(issuer.requests.metadata, 1)
  await assert.rejects(access.ask({ grant_type: 'password' }, issuer.clock()), { code: 'token-refused' })
  await access.ask(grant, issuer.clock())
  assert.equal(issuer.requests.metadata, 1)
  issuer.fail({ token: 503 })
  await assert.rejects(access.ask(grant, issuer.clock()), { code: 'token-unavailable' })
  issuer.recover()
  issuer.advance(1)
  await access.ask(grant, issuer.clock())
  assert.equal(issuer.requests.metadata, 2)
})

test('many who ask at once look the endpoint up once', async () => {
  await using issuer = await startTestIssuer()
  const access = new IssuerAccess(issuer.credentials())
  await Promise.all(Array.from({ length: 5 }, () => access.ask(grant, issuer.clock())))
  assert.deepEqual([issuer.requests.metadata, issuer.requests.token], [1, 5])
})

test('a fetch that was given is asked for the metadata too', async () => {
  const asked: string[] = []
  const access = new IssuerAccess({
    issuer: 'https://issuer.internal',
    clientId: 'orders',
    clientSecret: 's',
    fetch: async (input) => {
      asked.push(String(input))
      return String(input).endsWith('/token')
        ? Response.json({ access_token: 'x', token_type: 'Bearer', expires_in: 60 })
        : Response.json({
            issuer: 'https://issuer.internal',
            token_endpoint: 'https://issuer.internal/token',
          })
    },
  })
  assert.equal((await access.ask(grant, 0)).token.revealText(), 'x')
  assert.deepEqual(asked, [
    'https://issuer.internal/.well-known/openid-configuration',
    'https://issuer.internal/token',
  ])
})

test('the metadata’s Retry-After is obeyed, and whatever is wrong with it is so for all', async () => {
  let [now, asked] = [0, 0]
  let answer = (): Response => new Response('', { status: 503, headers: { 'Retry-After': '120' } })
  const access = new IssuerAccess({
    issuer: 'https://issuer.internal',
    clientId: 'orders',
    clientSecret: 's',
    clock: () => now,
    random: () => 0,
    fetch: async () => {
      asked++
      return answer()
    },
  })
  const refused = (seconds: number) => async () => {
    await assert.rejects(access.ask(grant, now), (problem: Problem) => {
      assert.equal(problem.code, 'token-unavailable')
      assert.equal(access.backOff.failing(now)?.retryAfterSeconds, seconds)
      return true
    })
  }
  await refused(120)()
  now += 119_000
  await refused(1)()
  assert.equal(asked, 1)
  now += 1000
  answer = () => Response.json({ issuer: 'https://evil.example' })
  await refused(2)()
  await refused(2)()
  assert.equal(asked, 2)
})

test('also without a fetch of one’s own', async () => {
  const server = createServer((_, response) => {
    response.writeHead(429, { 'Retry-After': '120' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const access = new IssuerAccess({ issuer, clientId: 'orders', clientSecret: 's', clock: () => 0 })
  await assert.rejects(access.ask(grant, 0), { code: 'token-unavailable' })
  assert.equal(access.backOff.failing(0)?.retryAfterSeconds, 120)
  server.close()
})

test('whatever goes wrong, it is one of two problems', async () => {
  const fails = new IssuerAccess({
    tokenEndpoint: 'http://127.0.0.1:1/token',
    clientId: 'orders',
    clientSecret: () => {
      throw new TypeError('s3cr3t')
    },
  })
  await assert.rejects(fails.ask(grant, 0), { code: 'token-unavailable', message: /cannot be read$/ })
})

test('one key for all tokens of a client with dpop', () => {
  const access = new IssuerAccess({
    tokenEndpoint: 'https://x/token',
    clientId: 'a',
    clientSecret: 'b',
    dpop: true,
  })
  assert.ok(access.prover?.proofFor('GET', 'https://y/').header)
  assert.equal(
    new IssuerAccess({ tokenEndpoint: 'https://x/', clientId: 'a', clientSecret: 'b' }).prover,
    undefined,
  )
})

test('a token endpoint that is well is asked on, while its metadata cannot be had', async () => {
  await using issuer = await startTestIssuer({ clients: { orders: 'orders-secret' } })
  const access = new IssuerAccess(issuer.credentials('orders'))
  assert.ok(await access.ask(grant, issuer.clock()))
  issuer.fail({ token: 500, metadata: 503 })
  await assert.rejects(access.ask(grant, issuer.clock()), { code: 'token-unavailable' })
  issuer.recover()
  issuer.fail({ metadata: 503 })
  assert.ok(await access.ask(grant, issuer.clock()))
})
