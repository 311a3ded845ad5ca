import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RequestListener, Server } from 'node:http'
import { isProblem } from '@countersign/sdk/core'
import { createRemoteKeySet, createVerifier, inspectToken } from '@countersign/sdk/jwt'
import { logIn } from './login.ts'
import { billingAudience, otherAudience } from './people.ts'
import { createProvider } from './provider.ts'

let listener: RequestListener
const server = createServer((req, res) => listener(req, res))
const issuer = await listen(server)
const created = await createProvider(issuer)
assert.ok(created, 'oidc-provider is installed in this repository')
listener = created
test.after(() => server.close())

test('a login gives a token for the service, which says who the person is and what they may do', async () => {
  const verifier = createVerifier({
    issuer,
    audience: billingAudience,
    keySet: createRemoteKeySet({ issuer, algorithms: ['RS256'] }),
    algorithms: ['RS256'],
  })
  const verification = await verifier.verify(await logIn({ user: 'alice', issuer }))
  assert.ok(verification.kind === 'verified')
  assert.equal(verification.token.subject, 'alice')
  assert.equal(verification.token.clientId, 'demo-terminal')
  assert.deepEqual(verification.token.claims['roles'], ['admin'])
})

test('each person has their own roles', async () => {
  const { claims } = inspectToken(await logIn({ user: 'bob', issuer }))
  assert.equal(claims?.['sub'], 'bob')
  assert.deepEqual(claims?.['roles'], ['reader'])
})

test('the token is for the audience that was asked for', async () => {
  const { claims } = inspectToken(await logIn({ user: 'bob', issuer, audience: otherAudience }))
  assert.equal(claims?.['aud'], otherAudience)
})

test('an unknown person is refused by name', async () => {
  await assert.rejects(
    logIn({ user: 'mallory', issuer }),
    (error) => isProblem(error) && error.code === 'login-refused' && error.message.includes('"mallory"'),
  )
})

test('an unknown audience is refused', async () => {
  await assert.rejects(
    logIn({ user: 'alice', issuer, audience: 'https://nowhere.example' }),
    (error) => isProblem(error) && error.code === 'login-refused' && /resource/.test(error.message),
  )
})

test('without a provider: which address was tried, and what to do', async () => {
  await assert.rejects(
    logIn({ user: 'alice', issuer: 'http://127.0.0.1:1' }),
    (error) =>
      isProblem(error) &&
      error.code === 'provider-unreachable' &&
      error.message.includes('http://127.0.0.1:1') &&
      error.next?.includes('countersign demo') === true,
  )
})

test('somebody else who answers in the provider’s place is not talked to', async () => {
  const other = createServer((_req, res) => res.end(JSON.stringify({ issuer })))
  const address = await listen(other)
  await assert.rejects(
    logIn({ user: 'alice', issuer: address }),
    (error) => isProblem(error) && error.code === 'login-refused',
  )
  other.close()
})

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
