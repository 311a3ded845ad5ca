/** Test support: other people's verifiers and ours, each with a cache that keeps to what the issuer promises. */
import { JwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { JwksClient } from 'jwks-rsa'
import { createRemoteKeySet, createVerifier } from '@countersign/sdk/jwt'

/** Takes a token for billing, or rejects with why not. */
export type IndependentVerifier = (token: string) => Promise<unknown>

/**
 * @param issuer where the issuer is, and its `iss`
 * @param cacheSeconds what its key set is served with
 */
export function independentVerifiers(
  issuer: string,
  cacheSeconds: number,
): Readonly<Record<'jose' | 'jwks-rsa' | 'aws-jwt-verify' | 'ours', IndependentVerifier>> {
  const jwksUri = `${issuer}/.well-known/jwks.json`
  // Ten seconds of difference between clocks, each in its own words.
  const tolerance = 10

  const joseKeys = createRemoteJWKSet(new URL(jwksUri), { cacheMaxAge: cacheSeconds * 1000 })
  const rsaKeys = new JwksClient({ jwksUri, cache: true, cacheMaxAge: cacheSeconds * 1000 })
  const aws = JwtVerifier.create(
    { issuer, audience, jwksUri, graceSeconds: tolerance },
    {
      // Its own fetcher speaks https only.
      jwksCache: new SimpleJwksCache({ fetcher: { fetch: async (uri) => (await fetch(uri)).arrayBuffer() } }),
    },
  )
  const keySet = createRemoteKeySet({
    issuer,
    algorithms: ['ES256'],
    allowPrivateAddresses: true,
    clock: () => Date.now(),
  })
  const ours = createVerifier({
    issuer,
    audience,
    keySet,
    clock: () => Date.now(),
    clockToleranceSeconds: tolerance,
  })

  return {
    jose: (token) =>
      jwtVerify(token, joseKeys, { issuer, audience, clockTolerance: tolerance, typ: 'at+jwt' }),
    async 'jwks-rsa'(token) {
      const header = jsonwebtoken.decode(token, { complete: true })?.header
      const key = await rsaKeys.getSigningKey(header?.kid)
      return jsonwebtoken.verify(token, key.getPublicKey(), {
        algorithms: ['ES256'],
        issuer,
        audience,
        clockTolerance: tolerance,
      })
    },
    'aws-jwt-verify': (token) => aws.verify(token),
    async ours(token) {
      const outcome = await ours.verify(token)
      if (outcome.kind === 'denied') throw new Error(`${outcome.denial.reason}: ${outcome.denial.detail}`)
    },
  }
}

const audience = 'https://billing.acme.example'
