import { ownCatalogue } from './catalogue-own.ts'
import { inFile } from './row.ts'
import type { Attack } from './row.ts'

/** What has happened to other libraries. */
export const pastAttacks: readonly Attack[] = [
  ...inFile('algorithm-selection.test.ts', [
    {
      row: 1,
      title: 'alg none',
      ids: ['CVE-2015-9235', 'CVE-2022-23540', 'GHSA-88q6-jcjg-hvmw'],
      expected: 'algorithm-mismatch: there is no such algorithm, with or without a signature',
    },
    {
      row: 2,
      title: 'spellings of none that differ in case or white space',
      expected: 'algorithm-mismatch: names are compared exactly, against a list that has no none',
    },
    {
      row: 3,
      title: 'an absent key switches the check off',
      ids: ['GHSA-8wpc-h4q6-8fxv'],
      expected: 'a Problem when the key, the key set or the verifier is made',
    },
    {
      row: 4,
      title: 'the public key used as an HMAC secret',
      ids: [
        'CVE-2015-9235',
        'CVE-2016-10555',
        'CVE-2022-23541',
        'CVE-2022-29217',
        'CVE-2023-48238',
        'CVE-2024-33663',
      ],
      expected: 'algorithm-mismatch: a key has one algorithm for life',
    },
    {
      row: 5,
      title: 'a PEM file that does not look like one is taken for a secret',
      ids: ['CVE-2023-48223', 'CVE-2026-34950', 'GHSA-mvf2-f6gm-w987', 'GHSA-ww5h-9m49-7xx4'],
      expected: 'key-invalid: PEM and secrets come in by different functions, and neither takes the other',
    },
    {
      row: 6,
      title: 'the public JWK used as an HMAC secret',
      ids: ['GHSA-g3jj-5cmm-3hxx', 'CVE-2026-48526'],
      expected: 'algorithm-mismatch, and key-invalid for whoever configures such a secret',
    },
    {
      row: 7,
      title: 'a JWK without alg lets the token choose',
      ids: ['CVE-2026-22817', 'CVE-2026-22818', 'CVE-2026-44699'],
      expected:
        'the key is left out, or has the one algorithm that was configured: key-unknown, algorithm-mismatch',
    },
    {
      row: 8,
      title: 'the allow-list checks the header, the signature is checked by the key’s algorithm',
      ids: ['CVE-2026-48523'],
      expected: 'algorithm-mismatch: header, key and allow-list must agree',
    },
    {
      row: 9,
      title: 'the algorithm is read from an unprotected header',
      ids: ['GHSA-jc38-x7x8-2xc8'],
      expected: 'token-malformed: only the compact form is read',
    },
    {
      row: 18,
      title: 'EdDSA that means another curve',
      expected: 'signature-invalid or algorithm-mismatch: the key’s curve decides',
    },
  ]),
  ...inFile('key-selection.test.ts', [
    {
      row: 10,
      title: 'the key that the token brings along is trusted',
      ids: ['CVE-2018-0114', 'CVE-2026-27962', 'CVE-2026-34240'],
      expected: 'signature-invalid, key-unknown or algorithm-mismatch: jwk is never read',
    },
    {
      row: 11,
      title: 'the key is fetched from where the token says (jku, x5u, x5c)',
      expected: 'refused, and nobody is connected to',
    },
    {
      row: 12,
      title: 'injection through kid: paths, SQL, LDAP, prototypes, other types',
      expected: 'key-unknown or token-malformed, and kid is in no request',
    },
    {
      row: 13,
      title: 'a key look-up that gives an empty key',
      ids: ['CVE-2026-44351', 'CVE-2026-45363'],
      expected: 'key-unknown: only a key made by our readers verifies',
    },
    {
      row: 14,
      title: 'an HMAC secret that can be searched for',
      expected: 'key-too-weak below the size of the hash (RFC 7518 §3.2)',
    },
    {
      row: 15,
      title: 'weak public keys: short RSA, exponent 1, even exponent, ROCA, points of small order',
      ids: ['CVE-2017-15361'],
      expected: 'key-too-weak when the key is read; key-unknown when it stands in a published set',
    },
    {
      row: 16,
      title: 'a key on another curve, or on a curve with parameters of the attacker',
      ids: ['CVE-2020-0601'],
      expected: 'key-invalid: the named curve of the algorithm, and no other',
    },
    {
      row: 17,
      title: 'use, key_ops, kty and repeated kid ignored; secrets in a published set',
      expected: 'the key is left out (key-unknown), or the set is refused (key-invalid)',
    },
  ]),
  ...inFile('signature-encoding.test.ts', [
    {
      row: 19,
      title: 'psychic signatures: r or s is zero or the order of the curve',
      ids: ['CVE-2022-21449'],
      expected: 'signature-invalid',
    },
    {
      row: 20,
      title: 'signatures of the wrong length or in DER',
      expected: 'signature-invalid, never an error of the crypto library',
    },
    {
      row: 21,
      title: 'the right MAC leaks through time or in an error',
      ids: ['CVE-2019-7644'],
      expected: 'compared in constant time; no denial and no problem holds MAC bytes',
    },
    {
      row: 22,
      title: 'the HMAC secret is looked up by what an unverified token says',
      ids: ['CVE-2025-65945', 'GHSA-869p-cjfg-cm3x'],
      expected: 'a key set is asked by kid and alg alone and never sees a claim',
    },
    {
      row: 23,
      title: 'one token, several spellings: unused bits of base64url',
      expected: 'signature-invalid or token-malformed: only the canonical text passes',
    },
    {
      row: 24,
      title: 'white space, padding, plus, slash and wide characters in a segment',
      expected: 'token-malformed or signature-invalid (the successor of RFC 8725 §2.4)',
    },
    {
      row: 25,
      title: 'the twin of an ECDSA signature (n − s) as a way around lists of tokens',
      expected: 'revocation goes by jti, which both texts share',
    },
    {
      row: 26,
      title: 'a megabyte of dots',
      ids: ['CVE-2025-30204', 'CVE-2025-27144'],
      expected: 'token-oversize before anything is split',
    },
  ]),
  ...inFile('header.test.ts', [
    {
      row: 27,
      title: 'crit ignored',
      ids: ['CVE-2025-59420', 'CVE-2026-32597', 'CVE-2026-35042'],
      expected: 'critical-unknown',
    },
    { row: 28, title: 'crit malformed', expected: 'critical-unknown, whatever it is' },
    {
      row: 29,
      title: 'a payload that is not encoded (b64)',
      ids: ['CVE-2026-48525'],
      expected: 'critical-unknown, before the payload is looked at',
    },
    {
      row: 30,
      title: 'two members of one name, so that two readers see two tokens',
      expected: 'token-malformed, at any depth and in any spelling of the name',
    },
    {
      row: 31,
      title: 'claims that differ only in case, which other languages read as one',
      expected: 'claim-malformed',
    },
    {
      row: 32,
      title: 'text that is not UTF-8, a byte order mark, half surrogate pairs, NUL',
      expected: 'token-malformed',
    },
    {
      row: 33,
      title: 'a token of another kind',
      expected: 'type-mismatch by typ; token-malformed for enc and zip',
    },
    {
      row: 34,
      title: 'a huge token or header',
      ids: ['CVE-2025-61920'],
      expected: 'token-oversize before splitting, token-malformed for a long header before decoding',
    },
    {
      row: 35,
      title: 'a hundred thousand nested arrays',
      ids: ['CVE-2025-53864'],
      expected: 'token-oversize or token-malformed: 32 levels',
    },
    {
      row: 36,
      title: 'a claim named __proto__',
      expected: 'token-malformed; and the claims given out have no prototype',
    },
  ]),
  ...inFile('claims.test.ts', [
    {
      row: 37,
      title: 'a claim of the wrong type is taken for an absent one',
      ids: ['CVE-2026-25537'],
      expected: 'claim-malformed',
    },
    {
      row: 38,
      title: 'dates that are infinite, huge, negative or in milliseconds',
      expected: 'token-malformed or claim-malformed outside the years 1970 to 9999',
    },
    { row: 39, title: 'no exp', expected: 'claim-missing' },
    {
      row: 40,
      title: 'the edges of exp, nbf and the tolerance',
      expected:
        'valid before exp, from nbf on, to the millisecond; option-invalid for a tolerance that is none',
    },
    {
      row: 41,
      title: 'iat in the future, or not a number',
      expected: 'token-premature beyond the tolerance; claim-malformed',
    },
    { row: 42, title: 'a list of issuers', ids: ['CVE-2025-30144'], expected: 'issuer-mismatch' },
    {
      row: 43,
      title: 'part of the issuer’s name',
      ids: ['CVE-2024-53861'],
      expected: 'issuer-mismatch: exact text',
    },
    {
      row: 44,
      title: 'a verifier that was told neither issuer nor audience',
      ids: ['CVE-2026-22748', 'CVE-2025-62610'],
      expected: 'option-invalid when it is made',
    },
    {
      row: 45,
      title: 'an audience that is empty, absent or of another type',
      ids: ['CVE-2020-26160'],
      expected: 'audience-mismatch',
    },
    {
      row: 46,
      title: 'regular expressions as matchers',
      ids: ['CVE-2026-35041', 'GHSA-3j8v-cgw4-2g6q'],
      expected: 'option-invalid: exact strings only',
    },
    {
      row: 47,
      title: 'expired and badly signed at once',
      ids: ['CVE-2024-51744'],
      expected: 'signature-invalid, without a claim',
    },
  ]),
  ...inFile('key-sets-and-caches.test.ts', [
    {
      row: 48,
      title: 'a delimiter inside kid reaches another issuer’s cache entry',
      ids: ['CVE-2025-59936'],
      expected: 'key-unknown: keys are kept per issuer, and no two values are joined into one key',
    },
    {
      row: 49,
      title: 'two issuers, one kid',
      expected: 'signature-invalid: each issuer’s keys are its own',
    },
    {
      row: 50,
      title: 'the token’s issuer chooses where keys are fetched',
      expected: 'issuer-mismatch, and nobody is connected to',
    },
    {
      row: 51,
      title: 'a flood of unknown kids while the key endpoint is down',
      ids: ['CVE-2026-48524'],
      expected: 'one fetch per waiting time, and the keys at hand go on serving',
    },
    {
      row: 52,
      title: 'a removed key goes on being trusted',
      expected: 'key-unknown within the life of the set, for cached tokens too',
    },
    {
      row: 54,
      title: 'a cache that answers for another token, or outlives exp, nbf, key or policy',
      ids: ['CVE-2026-35039'],
      expected: 'with a cache and without one, the same answer',
    },
  ]),
  ...inFile('key-endpoints.test.ts', [
    {
      row: 53,
      title:
        'key endpoints that redirect, use http:, point inside, send too much, too slowly or another type',
      expected: 'keys-unavailable, which is a 503',
    },
  ]),
  ...inFile('encryption.test.ts', [
    {
      row: 55,
      title: 'a billion hashes (PBES2 p2c)',
      ids: ['CVE-2022-36083', 'CVE-2023-51775', 'CVE-2023-52428', 'CVE-2023-50966', 'CVE-2026-27932'],
      expected: 'token-malformed: nothing is decrypted',
    },
    {
      row: 56,
      title: 'a decompression bomb',
      ids: ['CVE-2024-28176', 'CVE-2024-28180', 'GHSA-3677-xxcr-wjqv', 'GHSA-cjwg-qfpm-7377'],
      expected: 'token-malformed: nothing is decompressed',
    },
    {
      row: 57,
      title: 'an encrypted token passes for a signed one',
      ids: ['CVE-2026-29000', 'CVE-2023-51774'],
      expected: 'token-malformed: encrypted is not verified',
    },
    {
      row: 58,
      title: 'a text that is both compact and JSON',
      ids: ['CVE-2022-39227'],
      expected: 'token-malformed',
    },
    {
      row: 59,
      title: 'padding oracles, invalid curves and crafted encrypted tokens',
      ids: ['CVE-2021-29443', 'CVE-2021-29444', 'CVE-2021-29445', 'CVE-2021-29446', 'CVE-2026-34986'],
      expected: 'token-malformed: there is no decryption to ask',
    },
  ]),
]

/** All of it: what happened to others, what the best would do, and what we tried on ourselves. */
export const catalogue: readonly Attack[] = [...pastAttacks, ...ownCatalogue]
