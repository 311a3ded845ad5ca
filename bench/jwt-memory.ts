import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import { claims } from './jwt-material.ts'

/** A child process of the footprint: prints resident and heap memory after so many distinct tokens. */
const key = generateSigningKey('HS256', { keyId: 'k1' })
const signer = createSigner({ key })
const expected = claims()
const verifier = createVerifier({
  issuer: expected['iss'] as string,
  audience: expected['aud'] as string,
  keySet: createKeySet([verificationKey(key)]),
  cache: { entries: 10_000 },
})
const stops = [10_000, 50_000, 100_000, 200_000, 400_000, 700_000, 1_000_000]
let done = 0
for (const stop of stops) {
  for (; done < stop; done++) {
    const verification = verifier.verifyNow(signer.sign({ ...expected, jti: `token-${done}` }))
    if (verification?.kind !== 'verified') throw new Error('refused')
    // A service looks at the claims, so they are frozen and kept like everything else.
    if (verification.token.claims['iss'] !== expected['iss']) throw new Error('wrong claims')
  }
  const resident = process.memoryUsage.rss()
  globalThis.gc?.()
  console.log(`${stop} ${mebibytes(resident)} ${mebibytes(process.memoryUsage().heapUsed)}`)
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
