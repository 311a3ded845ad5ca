/** The test issuer of other people's services, unchanged, with our token source and our verifier. Plain http on loopback. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createTokenSource } from '@countersign/sdk/client'
import type { TokenSourceEvent } from '@countersign/sdk/client'
import { createRemoteKeySet, createVerifier } from '@countersign/sdk/jwt'
import { OAuth2Server } from 'oauth2-mock-server'
import type { MutableResponse, MutableToken, TokenRequestIncomingMessage } from 'oauth2-mock-server'

const server = new OAuth2Server()
let issuer = ''
let requests: TokenRequestIncomingMessage[] = []

before(async () => {
  await server.issuer.keys.generate('RS256')
  await server.start(0, '127.0.0.1')
  issuer = server.issuer.url!
  server.service.on(
    'beforeTokenSigning',
    ({ payload }: MutableToken, request: TokenRequestIncomingMessage) => {
      requests.push(request)
      Object.assign(payload, { aud: 'https://billing.test', sub: 'orders' })
    },
  )
})
after(() => server.stop())

test('a token by discovery, which our verifier takes by the issuer’s own keys', async () => {
  const source = make()
  const [token, same] = await Promise.all([source.token(), source.token()])
  assert.equal(token, same)
  assert.equal(requests.length, 1)
  const { authorization } = requests[0]!.headers
  assert.equal(authorization, `Basic ${Buffer.from('orders:s3cr3t').toString('base64')}`)
  const verifier = createVerifier({
    issuer,
    audience: 'https://billing.test',
    keySet: createRemoteKeySet({ issuer, algorithms: ['RS256'] }),
    types: ['JWT'],
  })
  const verification = await verifier.verify(token.secret.revealText())
  assert.ok(verification.kind === 'verified', JSON.stringify(verification))
  assert.deepEqual(verification.token.scopes, ['invoices:read'])
})

test('an error of the issuer is told, and one that passes is waited for', async () => {
  let now = Date.now()
  const events: TokenSourceEvent[] = []
  const source = make({ clock: () => now, onEvent: (event) => void events.push(event) })
  const answer = (status: number, error: string) =>
    server.service.once('beforeResponse', (response: MutableResponse) => {
      Object.assign(response, { statusCode: status, body: { error } })
    })
  answer(503, 'temporarily_unavailable')
  await assert.rejects(source.token(), { code: 'token-unavailable' })
  now += 2000
  answer(400, 'invalid_scope')
  await assert.rejects(source.token(), { code: 'token-refused', message: /invalid_scope/ })
  now += 3000
  assert.ok((await source.token()).expiresAtMs > now)
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['failed', 'failed', 'obtained'],
  )
})

function make(options: Partial<Parameters<typeof createTokenSource>[0]> = {}) {
  requests = []
  return createTokenSource({
    issuer,
    clientId: 'orders',
    clientSecret: 's3cr3t',
    scopes: ['invoices:read'],
    ...options,
  })
}
