/**
 * A contestant of bench/issuer.ts, in a process of its own: `issuer-contestants.ts NAME ALGORITHM`. Says its port in a
 * message to its parent.
 */
import {
  createHash,
  createHmac,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  timingSafeEqual,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'
import { Secret } from '@countersign/sdk/core'
import { createSigner, readSecretSigningKey } from '@countersign/sdk/jwt'
import type { Algorithm, ExternalSigner, Signer } from '@countersign/sdk/jwt'
import { createIssuer } from '../packages/server/src/issuer/issuer.ts'
import type { Issuer } from '../packages/server/src/issuer/issuer.ts'
import { issuerServerOptions, protectServer } from '../packages/server/src/issuer/http/server-options.ts'
import { openStore } from '../packages/server/src/store/open.ts'
import { readTrust } from '../packages/server/src/trust/read.ts'
import { addManagedClients } from './issuer-clients.ts'

export const client = { id: 'orders', secret: 'a-client-secret-of-some-length-01' } as const
const audience = 'https://billing.acme.example'
const lifetimeSeconds = 300

type Make = (url: string, algorithm: Algorithm) => Promise<RequestListener> | RequestListener

const contestants: Record<string, Make> = {
  countersign: (url, algorithm) => countersign(url, algorithm, 'memory:'),
  'countersign, SQLite': (url, algorithm) =>
    countersign(url, algorithm, `sqlite:${process.env['BENCH_FOLDER']}/bench.db`),
  'countersign, PostgreSQL': (url, algorithm) =>
    countersign(url, algorithm, process.env['BENCH_POSTGRES'] ?? ''),
  'countersign, 100,000 clients': (url, algorithm) => countersign(url, algorithm, 'memory:', 100_000),
  // What a careful person would write by hand, and the same without its signature.
  'node:http + node:crypto': (url, algorithm) => bare(url, bareSigner(algorithm)),
  'no signature': (url) => bare(url, (input) => `${input}.${'x'.repeat(86)}`),
  'oidc-provider': (url, algorithm) => {
    const alg = algorithm === 'Ed25519' ? 'EdDSA' : (algorithm as 'ES256' | 'HS256')
    const ofKey = alg === 'HS256' ? 'ES256' : alg
    const provider = new Provider(url, {
      clients: [
        {
          client_id: client.id,
          client_secret: client.secret,
          grant_types: ['client_credentials'],
          response_types: [],
          redirect_uris: [],
          token_endpoint_auth_method: 'client_secret_post',
          id_token_signed_response_alg: ofKey,
        },
        ...(assertionJwk === undefined
          ? []
          : [
              {
                client_id: 'keyed',
                grant_types: ['client_credentials'],
                response_types: [],
                redirect_uris: [],
                token_endpoint_auth_method: 'private_key_jwt' as const,
                jwks: { keys: [JSON.parse(assertionJwk) as { kty: string }] },
                id_token_signed_response_alg: ofKey as 'ES256',
              },
            ]),
      ],
      jwks: {
        keys: [{ ...keyPair(algorithm).export({ format: 'jwk' }), kid: 'key-1', alg: ofKey, use: 'sig' }],
      },
      ttl: { ClientCredentials: lifetimeSeconds },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          getResourceServerInfo: () => ({
            scope: 'invoices:read',
            audience,
            accessTokenTTL: lifetimeSeconds,
            accessTokenFormat: 'jwt',
            jwt: {
              sign:
                alg === 'HS256' ? { alg, key: createSecretKey(hmacSecret, 'utf8') } : { alg: alg as 'ES256' },
            },
          }),
        },
      },
    })
    return provider.callback()
  },
}

/** Our issuer as `serve` makes it, with one client by secret, one by key, and perhaps many that the store keeps. */
async function countersign(
  url: string,
  algorithm: Algorithm,
  store: string,
  managed = 0,
): Promise<RequestListener> {
  const keyed =
    assertionJwk === undefined
      ? ''
      : `
  keyed:
    authenticate: { keys: [${assertionJwk}] }
    may: { billing: { roles: [reader], scopes: [invoices:read] } }`
  const text = `
issuer:
  url: ${url}
  listen: 127.0.0.1:0
  store: ${JSON.stringify(store)}
  keys: { algorithm: ${algorithm === 'HS256' ? 'ES256' : algorithm}, seal: { env: SEAL } }
  tokens: { lifetime: ${lifetimeSeconds}s }
services:
  billing: { audience: ${audience}, roles: [reader], scopes: [invoices:read] }
clients:
  ${client.id}:
    authenticate: { secret: { env: SECRET } }
    may: { billing: { roles: [reader], scopes: [invoices:read] } }${keyed}
`
  const env = { SEAL: 'a'.repeat(64), SECRET: client.secret }
  const read = readTrust(text, { file: 'bench', env, readFile: () => '' })
  if (read.kind !== 'trust') throw new Error(read.mistakes.map(({ message }) => message).join('\n'))
  const { trust } = read
  const settings = trust.issuer!
  const opened = await openStore(settings.store)
  await addManagedClients(opened, managed)
  const issuer = await createIssuer({ settings, trust, store: opened })
  if (algorithm === 'HS256') signWithSecret(issuer)
  return issuer.listener
}

/**
 * What no trust file can say: tokens signed with a secret. The same walk with another signer at its end, so that its cost beside
 * the signature can be seen.
 */
function signWithSecret({ keyRing }: Issuer): void {
  const signer = createSigner({
    key: readSecretSigningKey(Secret.fromText(hmacSecret), { algorithm: 'HS256' }),
  })
  ;(keyRing as { signerAt: (nowMs: number) => Signer | ExternalSigner }).signerAt = () => signer
}

const assertionJwk = process.env['BENCH_ASSERTION_JWK']
const hmacSecret = 'a-secret-of-thirty-two-bytes-and-more-1'
const [name = '', algorithm = 'ES256'] = process.argv.slice(2)
let listener: RequestListener = () => {}
const server = createServer(issuerServerOptions, (request, response) => listener(request, response))
protectServer(server)
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo
  listener = await contestants[name]!(`http://127.0.0.1:${port}`, algorithm as Algorithm)
  process.send?.(port)
})
process.once('disconnect', () => process.exit())

/** One client, one service, no framework: read the form, check the secret, sign, one write. */
function bare(issuer: string, signed: (input: string) => string): RequestListener {
  const digest = createHash('sha256').update(client.secret).digest()
  return (request: IncomingMessage, response: ServerResponse) => {
    let text = ''
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      const form = new URLSearchParams(text)
      const given = createHash('sha256')
        .update(form.get('client_secret') ?? '')
        .digest()
      if (form.get('client_id') !== client.id || !timingSafeEqual(given, digest)) {
        response.writeHead(401).end()
        return
      }
      const iat = Math.floor(Date.now() / 1000)
      const claims = {
        iss: issuer,
        aud: audience,
        sub: client.id,
        client_id: client.id,
        iat,
        exp: iat + lifetimeSeconds,
        jti: randomUUID(),
        scope: 'invoices:read',
        roles: ['reader'],
      }
      const body = JSON.stringify({
        access_token: signed(Buffer.from(JSON.stringify(claims)).toString('base64url')),
        token_type: 'Bearer',
        expires_in: lifetimeSeconds,
        scope: 'invoices:read',
      })
      response.writeHead(200, [
        'Content-Type',
        'application/json',
        'Cache-Control',
        'no-store',
        'Content-Length',
        String(body.length),
      ])
      response.end(body, 'latin1')
    })
  }
}

/** The fastest form there is: ES256 signs to DER, and r‖s are cut out of it. */
function bareSigner(algorithm: Algorithm): (input: string) => string {
  if (algorithm === 'HS256') return bareHmac()
  const key = keyPair(algorithm)
  const alg = algorithm === 'Ed25519' ? 'EdDSA' : algorithm
  const kid = createHash('sha256')
    .update(createPublicKey(key).export({ format: 'der', type: 'spki' }))
    .digest('base64url')
  const head = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid })).toString('base64url')
  const hash = algorithm === 'Ed25519' ? null : 'sha256'
  return (claims) => {
    const input = `${head}.${claims}`
    const bytes = sign(hash, Buffer.from(input, 'latin1'), key)
    return `${input}.${(algorithm === 'ES256' ? rawFromDer(bytes) : bytes).toString('base64url')}`
  }
}

function bareHmac(): (input: string) => string {
  const key = createSecretKey(hmacSecret, 'utf8')
  const head = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt' })).toString('base64url')
  return (claims) => {
    const input = `${head}.${claims}`
    return `${input}.${createHmac('sha256', key).update(input, 'latin1').digest('base64url')}`
  }
}

/** SEQUENCE { INTEGER r, INTEGER s } → 32 bytes each. */
function rawFromDer(der: Buffer): Buffer {
  const raw = Buffer.alloc(64)
  let offset = 2
  for (const end of [32, 64]) {
    const length = der[offset + 1]!
    const skip = Math.max(0, length - 32)
    der.copy(raw, end - length + skip, offset + 2 + skip, offset + 2 + length)
    offset += 2 + length
  }
  return raw
}

function keyPair(algorithm: Algorithm): KeyObject {
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  if (algorithm === 'Ed25519') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}
