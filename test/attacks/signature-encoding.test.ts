import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createHmac, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createKeySet, createRevocations, inspectToken, readSecretKey } from '@countersign/sdk/jwt'
import type { KeySet } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { attack } from './attack.ts'
import {
  accepts,
  claims,
  encode,
  forge,
  issuer,
  macWith,
  now,
  pair,
  refuses,
  scene,
  signed,
  signedBy,
  verifierOf,
} from './stage.ts'

const secret = Buffer.alloc(64, 9)
const macKeys = createKeySet([readSecretKey(new Secret(secret), { algorithm: 'HS256' })])
const macHonest = forge({ alg: 'HS256', typ: 'at+jwt' }, claims(), macWith(secret))

test('honest signatures of every length pass', async () => {
  for (const alg of ['ES256', 'ES384', 'ES512']) {
    const { own, verifier } = scene(alg)
    // Many, since r and s lose their leading bytes only now and then.
    for (let round = 0; round < 100; round++) await accepts(verifier, signed(own, { jti: `token-${round}` }))
  }
  await accepts(verifierOf(macKeys), macHonest)
})

attack(19, 'psychic signatures: r or s is zero or the order of the curve', async () => {
  for (const [alg, order] of Object.entries(orders)) {
    const { own, verifier, honest } = scene(alg)
    await accepts(verifier, honest)
    const width = order.length / 2
    const n = BigInt(`0x${order}`)
    const specials = [0n, 1n, n - 1n, n, n + 1n, 2n * n, (1n << BigInt(width * 8)) - 1n]
    const good = Buffer.from(honest.split('.')[2]!, 'base64url')
    const [goodR, goodS] = [good.subarray(0, width), good.subarray(width)]
    for (const special of specials) {
      if (special >= 1n << BigInt(width * 8)) continue
      const bytes = Buffer.from(special.toString(16).padStart(width * 2, '0'), 'hex')
      for (const parts of [
        [bytes, goodS],
        [goodR, bytes],
        ...specials
          .filter((other) => other < 1n << BigInt(width * 8))
          .map((other) => [bytes, Buffer.from(other.toString(16).padStart(width * 2, '0'), 'hex')]),
      ]) {
        const header = { alg, typ: 'at+jwt', kid: own.kid }
        await refuses(
          verifier,
          forge(header, claims(), () => Buffer.concat(parts)),
          'signature-invalid',
        )
      }
    }
  }
})

/** n of each curve: FIPS 186-5 / SP 800-186 §3.2.1. */
const orders: Readonly<Record<string, string>> = {
  ES256: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  ES384: 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ES512:
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
}

attack(20, 'signatures of the wrong length or in DER', async () => {
  const scenes = ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'Ed448'].map((alg) => scene(alg))
  for (const { own, verifier, honest } of scenes) {
    await accepts(verifier, honest)
    const input = honest.slice(0, honest.lastIndexOf('.'))
    const good = Buffer.from(honest.slice(input.length + 1), 'base64url')
    const hash = own.alg.startsWith('E') && !own.alg.startsWith('Ed') ? `sha${own.alg.slice(2)}` : null
    const wrong = [
      Buffer.alloc(0),
      Buffer.alloc(1),
      Buffer.alloc(good.length),
      good.subarray(1),
      good.subarray(0, -1),
      good.subarray(0, good.length / 2),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), good]),
      Buffer.concat([good, Buffer.alloc(good.length)]),
      Buffer.concat([good, good]),
      Buffer.concat([good.subarray(0, good.length / 2), Buffer.alloc(1), good.subarray(good.length / 2)]),
      Buffer.alloc(12_000, 0xff),
      ...(own.alg.startsWith('ES') ? [sign(hash, Buffer.from(input), own.key)] : []),
    ]
    for (const bytes of wrong) {
      await refuses(verifier, `${input}.${bytes.toString('base64url')}`, 'signature-invalid')
    }
    // base64url that cannot be: one character too many of a group of four.
    for (const text of ['A', 'AAAAA', `${good.toString('base64url')}A`, `${good.toString('base64url')}AA`]) {
      await refuses(verifier, `${input}.${text}`, 'signature-invalid')
    }
  }
  const input = macHonest.slice(0, macHonest.lastIndexOf('.'))
  const good = createHmac('sha256', secret).update(input).digest()
  for (const bytes of [0, 1, 16, 31, 33, 64].map((length) =>
    Buffer.concat([good, good]).subarray(0, length),
  )) {
    await refuses(verifierOf(macKeys), `${input}.${bytes.toString('base64url')}`, 'signature-invalid')
  }
})

attack(21, 'the right MAC leaks through time or in an error', async () => {
  const verifier = verifierOf(macKeys)
  await accepts(verifier, macHonest)
  for (const changes of [{}, { exp: now - 1 }, { aud: 'other' }, { sub: 7 }]) {
    const input = `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${encode(claims(changes))}`
    const right = createHmac('sha256', secret).update(input).digest()
    for (const guess of [
      '',
      'AAAA',
      Buffer.alloc(32).toString('base64url'),
      'A'.repeat(43),
      '\u00e9'.repeat(43),
    ]) {
      const told = JSON.stringify(await verifier.verify(`${input}.${guess}`))
      assert.match(told, /"signature-invalid"/)
      for (const form of ['base64url', 'base64', 'hex', 'latin1'] as const) {
        assert.ok(!told.includes(right.toString(form).slice(0, 8)), `the denial holds the MAC in ${form}`)
      }
    }
    // All but the last character right, and the first: one bit or all, there is one answer.
    const text = right.toString('base64url')
    for (const near of [
      `${text.slice(0, -1)}A`,
      `A${text.slice(1)}`,
      text.toUpperCase(),
      `${text.slice(0, 42)}=`,
    ]) {
      if (near !== text) await refuses(verifier, `${input}.${near}`, 'signature-invalid')
    }
  }
  // Time itself is not measured here, where other work would drown it; that the comparison is the constant one is.
  const source = readFileSync(new URL('../../packages/sdk/src/jwt/hmac.ts', import.meta.url), 'utf8')
  assert.match(source, /timingSafeEqual\(/)
  assert.doesNotMatch(source, /\.equals\(|mac\([^)]*\) ===|=== signature|signature ===/)
})

attack(22, 'the HMAC secret is looked up by what an unverified token says', async () => {
  const asked: unknown[][] = []
  const spy = {
    generation: 0,
    checkAfterMs: 0,
    find: (...question: unknown[]) => {
      asked.push(question)
      return macKeys.find(question[0] as string | undefined, String(question[1]), 0)
    },
    load: async (...question: unknown[]) => void asked.push(question),
  } as unknown as KeySet
  await accepts(verifierOf(spy), macHonest)
  const tenant = claims({ tenant: 'a-claim-to-look-up-by', sub: 'a-claim-to-look-up-by' })
  await accepts(verifierOf(spy), forge({ alg: 'HS256', typ: 'at+jwt', kid: 'k' }, tenant, macWith(secret)))
  await refuses(
    verifierOf(spy),
    forge({ alg: 'HS256', typ: 'at+jwt' }, tenant, macWith('')),
    'signature-invalid',
  )
  assert.ok(asked.length > 0)
  for (const question of asked) {
    assert.ok(question.every((value) => ['string', 'number', 'undefined'].includes(typeof value)))
    assert.doesNotMatch(JSON.stringify(question), /a-claim-to-look-up-by/)
  }
})

attack(23, 'one token, several spellings: unused bits of base64url', async () => {
  const tokens = ['ES256', 'ES512', 'RS256', 'EdDSA', 'Ed448'].map(
    (alg) => [scene(alg), scene(alg).honest] as const,
  )
  for (const [{ verifier }, token] of [...tokens, [{ verifier: verifierOf(macKeys) }, macHonest] as const]) {
    await accepts(verifier, token)
    for (const index of [0, 1, 2]) {
      for (const twin of spellings(token, index)) {
        assert.deepEqual(
          Buffer.from(twin.split('.')[index]!, 'base64url'),
          Buffer.from(token.split('.')[index]!, 'base64url'),
          'the twin must mean the same bytes',
        )
        await refuses(verifier, twin, index === 2 ? 'signature-invalid' : 'token-malformed')
      }
    }
  }
})

/** Every other text for the same bytes in segment `index`; the claims get a length that leaves bits unused. */
function spellings(token: string, index: number): string[] {
  const segments = token.split('.')
  const segment = segments[index]!
  const unused = [0, 0, 4, 2][segment.length % 4]!
  const last = alphabet.indexOf(segment.at(-1)!)
  const twins: string[] = []
  for (let bits = 1; bits < 1 << unused; bits++) {
    const twin = segment.slice(0, -1) + alphabet[last | bits]
    twins.push(segments.with(index, twin).join('.'))
  }
  return twins
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

attack(24, 'white space, padding, plus, slash and wide characters in a segment', async () => {
  const { own, verifier } = scene()
  const macs = verifierOf(macKeys)
  // Claims in which - and _ occur, so that + and / can stand for them.
  const odd = signed(own, { note: '>>>???ÿÿÿ~~~' })
  assert.match(odd.split('.')[1]!, /-/)
  assert.match(odd.split('.')[1]!, /_/)
  await accepts(verifier, odd)
  await accepts(macs, macHonest)
  for (const [one, token] of [
    [verifier, odd],
    [macs, macHonest],
  ] as const) {
    for (const index of [0, 1, 2]) {
      const segments = token.split('.')
      const segment = segments[index]!
      const middle = segment.length >> 1
      const insert = (text: string, at: number): string => segment.slice(0, at) + text + segment.slice(at)
      const twins = [
        ...[' ', '\n', '\r\n', '\t', '=', '==', '%20', '\0', '\u00a0', '\u2028', '\ufeff'].flatMap((text) =>
          [0, middle, segment.length].map((at) => insert(text, at)),
        ),
        segment.replaceAll('-', '+'),
        segment.replaceAll('_', '/'),
        // U+0141 is A with another high byte: what cuts it to a byte reads A.
        ...[0x100, 0x200, 0xff00].map(
          (offset) => String.fromCharCode(segment.charCodeAt(middle) + offset) + segment.slice(1),
        ),
        ...[0x100, 0x4100].map((offset) =>
          Array.from(segment, (letter) => String.fromCharCode(letter.charCodeAt(0) + offset)).join(''),
        ),
      ].filter((twin) => twin !== segment)
      for (const twin of twins) {
        const reason = index === 2 ? 'signature-invalid' : 'token-malformed'
        const changed = segments.with(index, twin).join('.')
        await refuses(one, changed, reason)
        // Refused for its spelling, and not only because what it decodes to is something else.
        const why = inspectToken(changed).problems.join()
        assert.match(why, new RegExp(`${['header', 'claims', 'signature'][index]}: not canonical`), changed)
      }
    }
    for (const text of [
      `Bearer ${token}`,
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `"${token}"`,
      `${token},${token}`,
    ]) {
      const verification = one.verifyNow(text)
      assert.equal(verification?.kind, 'denied', text)
    }
  }
})

attack(25, 'the twin of an ECDSA signature (n − s) as a way around lists of tokens', async () => {
  const revocations = createRevocations()
  const { own, keySet, honest } = scene()
  const verifier = verifierOf(keySet, { revocations })
  const input = honest.slice(0, honest.lastIndexOf('.'))
  const good = Buffer.from(honest.slice(input.length + 1), 'base64url')
  const n = BigInt(`0x${orders['ES256']}`)
  const s = n - BigInt(`0x${good.subarray(32).toString('hex')}`)
  const twin = Buffer.concat([good.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
  const other = `${input}.${twin.toString('base64url')}`
  assert.notEqual(other, honest)
  // That is how ECDSA is: both are signatures. So no list may go by the text of a token, or by its signature.
  await accepts(verifier, honest)
  await accepts(verifier, other)
  revocations.revoke({ issuer, tokenId: 'token-1', untilSeconds: now + 300 })
  await refuses(verifier, honest, 'token-revoked')
  await refuses(verifier, other, 'token-revoked')
  await accepts(verifier, signed(own, { jti: 'token-2' }))
})

attack(26, 'a megabyte of dots', async () => {
  const { verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const text of ['.'.repeat(1 << 20), `${honest}${'.'.repeat(1 << 20)}`, 'a.'.repeat(1 << 19)]) {
    await refuses(verifier, text, 'token-oversize')
    // Splitting would make a million strings each time; a length is read in no time.
    for (let round = 0; round < 20_000; round++) assert.equal(verifier.verifyNow(text)?.kind, 'denied')
  }
  for (const text of [
    '.'.repeat(16_384),
    '.',
    '..',
    '...',
    '....',
    `${honest}.`,
    `.${honest}`,
    `${honest}..`,
    '',
  ]) {
    await refuses(verifier, text, 'token-malformed')
  }
  const [head, payload, signature] = honest.split('.')
  for (const text of [
    `${head}..${signature}`,
    `.${payload}.${signature}`,
    `${head}.${payload}`,
    head!,
    `..${signature}`,
  ]) {
    await refuses(verifier, text, 'token-malformed')
  }
})

test('a signature is bound to its input', async () => {
  const { own, verifier, honest } = scene()
  const [head, , signature] = honest.split('.')
  await accepts(verifier, honest)
  await refuses(verifier, `${head}.${encode(claims({ sub: 'admin' }))}.${signature}`, 'signature-invalid')
  const theirs = pair('ES256', 'attacker')
  const header = { alg: 'ES256', typ: 'at+jwt', kid: own.kid }
  await refuses(verifier, forge(header, claims(), signedBy(theirs, 'ES256')), 'signature-invalid')
})
