import { inFile } from './row.ts'
import type { Attack } from './row.ts'

/** What nobody has been attacked by yet, as far as we know: what the best would do, and what we found in ourselves. */
export const ownCatalogue: readonly Attack[] = [
  ...inFile('best-practice.test.ts', [
    {
      row: 60,
      title: 'verifying is synchronous, and a key is imported once',
      expected: 'verifyNow gives a value, and a key that stays in its set stays the same object',
    },
    {
      row: 61,
      title: 'the algorithm belongs to the key, never to the token',
      expected: 'a key is frozen with one algorithm; all others give algorithm-mismatch',
    },
    {
      row: 62,
      title: 'r‖s becomes DER without changing what verifies',
      expected: 'the same verdict as OpenSSL’s own reading of r‖s, on good, bad and odd signatures',
    },
    {
      row: 63,
      title: 'everything is strict with no option set',
      expected: 'each laxness is refused by a verifier that was told issuer, audience and key set alone',
    },
    {
      row: 64,
      title: 'what is given out has no prototype and cannot be changed',
      expected: 'claims, header, lists and the result itself are frozen all the way down',
    },
    {
      row: 65,
      title: 'the cache is keyed by the whole token and bound to keys, policy, exp and revocations',
      expected: 'a hit ends when any of these says so',
    },
    {
      row: 66,
      title: 'keys are renewed before they end, by the Cache-Control of the endpoint, in the background',
      expected: 'no request waits for a renewal, and a new key is found before it is needed',
    },
    {
      row: 67,
      title: 'a failing endpoint is survived up to a hard ceiling',
      expected: 'the keys at hand serve on; then keys-unavailable, which is a 503',
    },
    {
      row: 68,
      title: 'one fetch for all who wait, and a waiting time after a kid that nobody has',
      expected: 'a thousand callers, one request',
    },
    {
      row: 69,
      title: 'fetched keys are bound to their issuer',
      expected: 'metadata that speaks for another is refused, and so is a verifier of another issuer',
    },
    {
      row: 70,
      title: 'one class of error, with documented codes',
      expected: 'whatever is put into a public function, what it throws is a Problem with a known code',
    },
  ]),
  ...inFile('own-findings.test.ts', [
    {
      row: 71,
      title: 'a clock that gives no number makes every token eternal',
      expected: 'option-invalid is thrown, for cached tokens too',
    },
    {
      row: 72,
      title: 'a tolerance given as text is appended to exp instead of added',
      expected: 'option-invalid',
    },
    {
      row: 73,
      title: 'a revocation with a slip in it refuses nothing',
      expected: 'option-invalid or option-unknown',
    },
    {
      row: 74,
      title: 'a polluted Object.prototype gives claims to tokens',
      expected: 'every token is refused',
    },
    {
      row: 75,
      title: 'members of a JWK that cannot become text',
      expected: 'key-invalid for that key, and the keys beside it serve on',
    },
    {
      row: 76,
      title: 'alg none makes us fetch keys',
      expected: 'algorithm-mismatch, and no request',
    },
    {
      row: 77,
      title: 'a stolen token that is bound to a key is shown as a bearer token',
      expected: 'proof-required: what cannot be checked is not accepted (RFC 7800 §3.1)',
    },
    {
      row: 78,
      title: 'a name of this machine that leads elsewhere opens plain http: to the network',
      expected: 'fetch-refused: such a name is connected to on loopback only',
    },
    {
      row: 79,
      title:
        'a worthless token makes claims of honest ones vanish: V8 reads an escaped name as one it met before',
      expected: 'an escaped name is read as what it is; token-malformed for names that need an escape',
    },
    {
      row: 86,
      title: 'a worthless token of quotes that never end, which costs a quarter of a second to read',
      expected: 'token-malformed, as fast as any other text of its length',
    },
  ]),
  ...inFile('sender-constraint.test.ts', [
    {
      row: 80,
      title: 'a stolen bound token with a proof of the thief’s own key, or none',
      expected: 'confirmation-mismatch, proof-invalid, proof-missing; proof-required as a bearer token',
    },
    {
      row: 81,
      title: 'a proof that was seen is sent again',
      expected: 'proof-replayed: a proof counts once, also of fifty at once',
    },
    {
      row: 82,
      title: 'a proof that was made for another method, URL or token',
      expected: 'proof-invalid, and it is not used up by that',
    },
    {
      row: 83,
      title: 'a proof whose key or header proves nothing',
      expected:
        'proof-invalid: one header, an asymmetric algorithm, a strong public key of exactly that algorithm',
    },
    {
      row: 84,
      title: 'a proof from long ago, from the future, or made in advance',
      expected: 'proof-invalid; nonce-required where nonces are demanded',
    },
    {
      row: 85,
      title: 'a proof whose key costs a hundred times an honest one to check',
      expected: 'proof-invalid before the key is read: anybody may send one to a token endpoint',
    },
  ]),
]
