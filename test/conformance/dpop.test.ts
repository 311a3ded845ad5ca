/**
 * A resource server that checks DPoP proofs (RFC 9449 §4.3, §7), as a client that means no good would try it: each row
 * one thing wrong with an otherwise perfect request, over the wire. The rows carry out the checks that the FAPI 2.0
 * conformance suite lists for protected resources; they are no certificate.
 */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createGuard } from '@countersign/sdk/guard'
import {
  createKeySet,
  createSigner,
  generateSigningKey,
  jwkThumbprint,
  verificationKey,
} from '@countersign/sdk/jwt'
import { guardNode } from '@countersign/sdk/node'

const issuer = 'https://issuer.example'
const publicUrl = 'https://api.acme.example/billing'
const url = `${publicUrl}/invoices/7`
const issuerKey = generateSigningKey('ES256')
const guard = createGuard({
  issuer,
  audience: 'billing',
  keySet: createKeySet([verificationKey(issuerKey)]),
  senderConstraint: 'accepted',
  publicUrl,
})
const server = createServer(
  guardNode(guard, 'authenticated', (_request, response, auth) => response.end(auth.subject)),
)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.close()
  server.closeAllConnections()
})
const { port } = server.address() as AddressInfo

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = pair.publicKey.export({ format: 'jwk' })
const token = tokenFor(pair.publicKey)

type Row = {
  readonly header?: object
  readonly claims?: object
  readonly key?: KeyObject
  readonly hash?: string
  readonly token?: string
  readonly scheme?: string
  /** What is sent in `DPoP`, made from the proof; several: several headers. */
  readonly send?: (proof: string) => readonly string[]
  readonly name?: string
  readonly method?: string
  readonly target?: string
}

const accepted: Readonly<Record<string, () => Row>> = {
  'a perfect request': () => ({}),
  'the header’s name in upper case': () => ({ name: 'DPOP' }),
  'the header’s name in lower case': () => ({ name: 'dpop' }),
  'the scheme in lower case': () => ({ scheme: 'dpop' }),
  'htu with a query': () => ({ claims: { htu: `${url}?page=2` } }),
  'htu with a fragment': () => ({ claims: { htu: `${url}#top` } }),
  'a query in the request that is not in htu': () => ({ target: '/invoices/7?page=2' }),
  'htu with scheme and host in upper case': () => ({
    claims: { htu: 'HTTPS://API.ACME.EXAMPLE/billing/invoices/7' },
  }),
  'htu with the default port': () => ({ claims: { htu: 'https://api.acme.example:443/billing/invoices/7' } }),
  'claims and header members that nobody asked for': () => ({
    claims: { aud: 'x', nested: { a: 1 } },
    header: { extra: true },
  }),
  'iat 10 s ago': () => ({ claims: { iat: now() - 10 } }),
  'iat 10 s ahead': () => ({ claims: { iat: now() + 10 } }),
  'nbf 10 s ahead and exp ahead': () => ({ claims: { nbf: now() + 10, exp: now() + 60 } }),
  'another method, named by htm': () => ({ method: 'DELETE', claims: { htm: 'DELETE' } }),
}

const refused: Readonly<Record<string, readonly [string, () => Row]>> = {
  'two DPoP headers': ['invalid_dpop_proof', () => ({ send: (proof) => [proof, proofOf({})] })],
  'one DPoP header twice': ['invalid_dpop_proof', () => ({ send: (proof) => [proof, proof] })],
  'two proofs in one header': [
    'invalid_dpop_proof',
    () => ({ send: (proof) => [`${proof}, ${proofOf({})}`] }),
  ],
  'no proof': ['invalid_dpop_proof', () => ({ send: () => [] })],
  'an empty proof': ['invalid_dpop_proof', () => ({ send: () => [''] })],
  'a malformed proof': ['invalid_dpop_proof', () => ({ send: () => ['not-a-proof'] })],
  'a proof that is cut off': ['invalid_dpop_proof', () => ({ send: (proof) => [proof.slice(0, -10)] })],
  'a bad signature': ['invalid_dpop_proof', () => ({ send: (proof) => [withOtherSignature(proof)] })],
  'a signature by another key than jwk': ['invalid_dpop_proof', () => ({ key: other.privateKey })],
  'no typ': ['invalid_dpop_proof', () => ({ header: { typ: undefined } })],
  'typ JWT': ['invalid_dpop_proof', () => ({ header: { typ: 'JWT' } })],
  'typ at+jwt': ['invalid_dpop_proof', () => ({ header: { typ: 'at+jwt' } })],
  'no alg': ['invalid_dpop_proof', () => ({ header: { alg: undefined } })],
  'alg none': [
    'invalid_dpop_proof',
    () => ({ header: { alg: 'none' }, send: (proof) => [proof.replace(/[^.]*$/, '')] }),
  ],
  'alg HS256, keyed by the public key': ['invalid_dpop_proof', () => ({ header: { alg: 'HS256' } })],
  'alg RS256': [
    'invalid_dpop_proof',
    () => ({
      header: { alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) },
      key: rsa.privateKey,
      token: tokenFor(rsa.publicKey),
    }),
  ],
  'alg of another curve than jwk': ['invalid_dpop_proof', () => ({ header: { alg: 'ES384' } })],
  'no jwk': ['invalid_dpop_proof', () => ({ header: { jwk: undefined } })],
  'a private jwk': [
    'invalid_dpop_proof',
    () => ({ header: { jwk: pair.privateKey.export({ format: 'jwk' }) } }),
  ],
  'no jti': ['invalid_dpop_proof', () => ({ claims: { jti: undefined } })],
  'no htm': ['invalid_dpop_proof', () => ({ claims: { htm: undefined } })],
  'no htu': ['invalid_dpop_proof', () => ({ claims: { htu: undefined } })],
  'no iat': ['invalid_dpop_proof', () => ({ claims: { iat: undefined } })],
  'no ath': ['invalid_dpop_proof', () => ({ claims: { ath: undefined } })],
  'another htm': ['invalid_dpop_proof', () => ({ claims: { htm: 'POST' } })],
  'htm in lower case': ['invalid_dpop_proof', () => ({ claims: { htm: 'get' } })],
  'htu of another path': ['invalid_dpop_proof', () => ({ claims: { htu: `${publicUrl}/invoices/8` } })],
  'htu of another host': [
    'invalid_dpop_proof',
    () => ({ claims: { htu: 'https://evil.example/billing/invoices/7' } }),
  ],
  'htu by what the socket listens on': [
    'invalid_dpop_proof',
    () => ({ claims: { htu: `http://127.0.0.1:${port}/invoices/7` } }),
  ],
  'htu that is no URL': ['invalid_dpop_proof', () => ({ claims: { htu: '/billing/invoices/7' } })],
  'iat an hour ago': ['invalid_dpop_proof', () => ({ claims: { iat: now() - 3600 } })],
  'iat an hour ahead': ['invalid_dpop_proof', () => ({ claims: { iat: now() + 3600 } })],
  'exp that has passed': ['invalid_dpop_proof', () => ({ claims: { exp: now() - 3600 } })],
  'nbf an hour ahead': ['invalid_dpop_proof', () => ({ claims: { nbf: now() + 3600 } })],
  'ath of another token': ['invalid_dpop_proof', () => ({ claims: { ath: hashOf('another token') } })],
  'the proof of another key': [
    'invalid_token',
    () => ({ header: { jwk: other.publicKey.export({ format: 'jwk' }) }, key: other.privateKey }),
  ],
  'a token of another key': ['invalid_token', () => ({ token: tokenFor(other.publicKey) })],
  'the scheme Bearer, with a proof': ['invalid_token', () => ({ scheme: 'Bearer' })],
  'the scheme Bearer, without a proof': ['invalid_token', () => ({ scheme: 'Bearer', send: () => [] })],
  'a bearer token under DPoP': ['invalid_token', () => ({ token: tokenFor(undefined) })],
}

for (const [what, row] of Object.entries(accepted)) {
  test(`accepted: ${what}`, async () => {
    const reply = await send(row())
    assert.equal(reply.status, 200, reply.challenge)
    assert.equal(reply.body, 'orders')
  })
}

for (const [what, [error, row]] of Object.entries(refused)) {
  test(`refused: ${what}`, async () => {
    const reply = await send(row())
    assert.equal(reply.status, 401)
    assert.match(reply.challenge, new RegExp(`DPoP [^]*error="(${error})"`))
    assert.match(reply.challenge, /algs="ES256 /)
    assert.ok(
      ['Invalid DPoP Proof', 'No DPoP Proof provided', 'Invalid Token'].includes(reply.body),
      reply.body,
    )
  })
}

test('refused: a jti that was used before', async () => {
  const proof = proofOf({})
  const again = () => send({ send: () => [proof] })
  assert.equal((await again()).status, 200)
  const reply = await again()
  assert.equal(reply.status, 401)
  assert.match(reply.challenge, /^DPoP .*error="invalid_dpop_proof"/)
})

test('refused: one proof sent many times at once counts once', async () => {
  const proof = proofOf({})
  const replies = await Promise.all(Array.from({ length: 10 }, () => send({ send: () => [proof] })))
  assert.equal(replies.filter(({ status }) => status === 200).length, 1)
})

test('a bearer token is still one', async () => {
  const reply = await send({ token: tokenFor(undefined), scheme: 'Bearer', send: () => [] })
  assert.equal(reply.status, 200)
})

test('where both are taken, both are offered', async () => {
  const reply = await send({ token: '', scheme: 'Basic', send: () => [] })
  assert.match(reply.challenge, /^Bearer realm="countersign", DPoP realm="countersign", algs="ES256 /)
})

function send(row: Row): Promise<{ status: number; challenge: string; body: string }> {
  const { scheme = 'DPoP', name = 'DPoP', method = 'GET', target = '/invoices/7' } = row
  const proofs = (row.send ?? ((proof) => [proof]))(proofOf(row))
  const headers = ['Host', 'billing.internal', 'Authorization', `${scheme} ${row.token ?? token}`]
  for (const proof of proofs) headers.push(name, proof)
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path: target, headers, agent: false }
    httpRequest(options, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => {
        const challenge = response.headers['www-authenticate'] ?? ''
        resolve({ status: response.statusCode!, challenge, body })
      })
    })
      .on('error', reject)
      .end()
  })
}

/** By node:crypto alone, so that a mistake of our own signer cannot hide one of our checker. */
function proofOf(row: Row): string {
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk, ...row.header }
  const claims = {
    jti: randomUUID(),
    htm: 'GET',
    htu: url,
    iat: now(),
    ath: hashOf(row.token ?? token),
    ...row.claims,
  }
  const input = `${segment(header)}.${segment(claims)}`
  const key = row.key ?? pair.privateKey
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

function tokenFor(publicKey: KeyObject | undefined): string {
  const claims = { iss: issuer, aud: 'billing', sub: 'orders', exp: now() + 600, jti: randomUUID() }
  const cnf =
    publicKey === undefined ? {} : { cnf: { jkt: jwkThumbprint({ ...publicKey.export({ format: 'jwk' }) }) } }
  return createSigner({ key: issuerKey }).sign({ ...claims, ...cnf })
}

function withOtherSignature(proof: string): string {
  return proof.slice(0, proof.lastIndexOf('.') + 1) + proofOf({}).split('.')[2]!
}

function segment(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
