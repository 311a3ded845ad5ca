import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Secret } from '@countersign/sdk/core'
import { createSigner, generateSigningKey, readSecretSigningKey } from '@countersign/sdk/jwt'
import { createSecretService } from './secret-service.ts'

let nowMs = 1_800_000_000_000
const key = Secret.fromText('unicorns')
const server = createServer(createSecretService({ key, clock: () => nowMs }))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
after(() => server.close())

const signer = createSigner({
  key: readSecretSigningKey(key, { algorithm: 'HS256', dangerouslyAllowShortSecret: true }),
  type: 'JWT',
})
const claims = {
  authorized: true,
  client: 'Krissanawat',
  aud: 'billing.jwtgo.io',
  iss: 'jwtgo.io',
  exp: nowMs / 1000 + 60,
}

test('the secret is told to the tutorial’s token, in the tutorial’s header and in the standard one', async () => {
  const token = signer.sign(claims)
  for (const headers of [{ token }, { authorization: `Bearer ${token}` }]) {
    const response = await fetch(url, { headers })
    assert.equal(response.status, 200)
    assert.equal(await response.text(), 'Super Secret Information')
  }
})

test('the tutorial’s refusals have its words, and a status that says no', async () => {
  const other = createSigner({ key: generateSigningKey('RS256'), type: 'JWT' })
  const cases: [string, Record<string, string>, number, string][] = [
    ['no token', {}, 401, 'No Authorization Token provided'],
    ['an empty Token header', { token: '' }, 401, 'No Authorization Token provided'],
    ['another algorithm', { token: other.sign(claims) }, 401, 'Invalid Signing Method'],
    ['another audience', { token: signer.sign({ ...claims, aud: 'x' }) }, 401, 'invalid aud'],
    ['another issuer', { token: signer.sign({ ...claims, iss: 'x' }) }, 401, 'invalid iss'],
    ['not a token', { token: 'nonsense' }, 401, 'Invalid Token'],
    [
      'both headers',
      { token: 'a', authorization: 'Bearer a' },
      400,
      'More than one Authorization Token provided',
    ],
  ]
  for (const [name, headers, status, text] of cases) {
    const response = await fetch(url, { headers })
    assert.equal(response.status, status, name)
    assert.equal(await response.text(), text, name)
  }
})

test('a token works for a minute, and not much longer', async () => {
  const token = signer.sign(claims)
  nowMs += 59_000
  assert.equal((await fetch(url, { headers: { token } })).status, 200)
  nowMs += 10_000
  const late = await fetch(url, { headers: { token } })
  assert.equal(late.status, 401)
  assert.equal(await late.text(), 'Expired token')
  nowMs -= 69_000
})

test('there is nothing but GET /', async () => {
  const token = signer.sign(claims)
  assert.equal((await fetch(`${url}/other`, { headers: { token } })).status, 404)
  assert.equal((await fetch(url, { headers: { token }, method: 'POST' })).status, 405)
})
