import assert from 'node:assert/strict'
import { publicJwk, readJwk, readPrivateJwk, signJws, verifyJws } from '@countersign/sdk/jwt'
import type { Algorithm, Jwk } from '@countersign/sdk/jwt'
import { listVectors, readVectors, signerOf, unlessRefused, verifierOf, vectorTest } from './vectors.ts'

// RFC 7520, RFC 7797 and RFC 8037 examples from the JOSE cookbook (ietf-jose/cookbook).

vectorTest('RFC 7520 §4 and RFC 8037: every signature of every example', (t) => {
  let verified = 0
  let signed = 0
  for (const path of examplePaths()) {
    for (const { algorithm, key, input, signature } of signaturesOf(path)) {
      assert.ok(verifierOf(key, algorithm).verifies(input, signature), path)
      verified++
      if (!deterministic.has(algorithm)) continue
      assert.equal(signerOf(key, algorithm).signs(input), signature, path)
      signed++
    }
  }
  assert.deepEqual({ verified, signed }, { verified: 11, signed: 8 })
  t.diagnostic(`rfc7520-cookbook/jws, curve25519: ${verified} signatures verified, ${signed} signed again`)
})

vectorTest('RFC 7520 §4 and RFC 8037: every compact form', (t) => {
  let verified = 0
  let signed = 0
  for (const path of examplePaths()) {
    const { input, output } = readVectors<Example>(path)
    if (output.compact === undefined) continue
    const key = input.key as Jwk
    const algorithm = input.alg as Algorithm
    const detached = output.compact.includes('..')
    const payload = Buffer.from(input.payload)
    const outcome = verifyJws(output.compact, verifierOf(key, algorithm), detached ? { payload } : {})
    assert.ok(outcome.kind === 'verified', path)
    assert.deepEqual(Buffer.from(outcome.jws.payload), payload, path)
    verified++
    if (!deterministic.has(algorithm)) continue
    // The example for RFC 8037 has no kid, and our own keys always have one: it is signed above.
    if (key['kid'] === undefined) continue
    assert.equal(signJws(payload, { key: signerOf(key, algorithm), detached }), output.compact, path)
    signed++
  }
  assert.deepEqual({ verified, signed }, { verified: 6, signed: 3 })
  t.diagnostic(`rfc7520-cookbook/jws, curve25519: ${verified} compact forms verified, ${signed} made again`)
})

vectorTest('RFC 7520 §4 and RFC 7797: no JSON form is read', (t) => {
  let refused = 0
  for (const path of [...examplePaths(), ...listVectors('rfc7520-cookbook/rfc7797')]) {
    const { input, output } = readVectors<Example>(path)
    const key = [input.key].flat()[0]!
    const algorithm = [input.alg].flat()[0]!
    for (const form of [output.json, output.json_flat]) {
      if (form === undefined) continue
      assert.equal(verifyJws(JSON.stringify(form), verifierOf(key, algorithm)).kind, 'denied', path)
      refused++
    }
  }
  assert.equal(refused, 21)
  t.diagnostic(`rfc7520-cookbook: ${refused} JSON forms refused`)
})

vectorTest('RFC 7797 §4: an unencoded payload', (t) => {
  const { input, output } = readVectors<Example>('rfc7520-cookbook/rfc7797/hmac-sha2_b64_false.json')
  const key = verifierOf(input.key as Jwk, 'HS256')
  const payload = Buffer.from(input.payload)
  const outcome = verifyJws(output.compact!, key)
  assert.ok(outcome.kind === 'verified')
  assert.deepEqual(Buffer.from(outcome.jws.payload), payload)
  const [header, , signature] = output.compact!.split('.')
  assert.equal(verifyJws(`${header}..${signature}`, key, { payload }).kind, 'verified')
  assert.equal(
    signJws(payload, { key: signerOf(input.key as Jwk, 'HS256'), unencoded: true }),
    output.compact,
  )
  t.diagnostic('rfc7520-cookbook/rfc7797: the compact form verified and made again')
})

vectorTest('RFC 7797 §4.2: b64 has to be critical', (t) => {
  const { input, output } = readVectors<Example>('rfc7520-cookbook/rfc7797/4.2.hmac-sha2_b64_false.json')
  const key = verifierOf(input.key as Jwk, 'HS256')
  const { protected: header, signature } = output.json_flat!
  // The signature is right, and the header of this example lacks "crit".
  assert.ok(key.verifies(`${header}.${input.payload}`, signature))
  const outcome = verifyJws(`${header}..${signature}`, key, { payload: Buffer.from(input.payload) })
  assert.ok(outcome.kind === 'denied' && outcome.denial.reason === 'critical-unknown')
  t.diagnostic('rfc7520-cookbook/rfc7797: the signature without "crit" refused')
})

vectorTest('RFC 7520 §3: keys', (t) => {
  const read = (name: string): Jwk => readVectors<Jwk>(`rfc7520-cookbook/jwk/${name}.json`)
  for (const [publicName, privateName, algorithm] of [
    ['3_1.ec_public_key', '3_2.ec_private_key', 'ES512'],
    ['3_3.rsa_public_key', '3_4.rsa_private_key', 'RS256'],
  ] as const) {
    const published = read(publicName)
    const key = readPrivateJwk(read(privateName), { algorithm })
    assert.deepEqual(publicJwk(key), { ...published, alg: algorithm })
    const signature = key.signs('text')
    assert.ok(readJwk(published, { algorithms: [algorithm] }).verifies('text', signature))
    // A private key is not taken where a public one belongs.
    assert.equal(
      unlessRefused(() => readJwk(read(privateName), { algorithms: [algorithm] })),
      undefined,
    )
    assert.equal(
      unlessRefused(() => readPrivateJwk(published, { algorithm })),
      undefined,
    )
  }
  // Its curve leaves one algorithm to the EC key, but nothing does to the RSA key.
  assert.equal(readJwk(read('3_1.ec_public_key')).algorithm, 'ES512')
  assert.equal(
    unlessRefused(() => readJwk(read('3_3.rsa_public_key'))),
    undefined,
  )
  assert.equal(readJwk(read('3_5.symmetric_key_mac_computation')).algorithm, 'HS256')
  assert.equal(
    unlessRefused(() => readJwk(read('3_6.symmetric_key_encryption'))),
    undefined,
  )
  assert.equal(listVectors('rfc7520-cookbook/jwk').length, 6)
  t.diagnostic('rfc7520-cookbook/jwk: 6 keys read or refused')
})

function examplePaths(): readonly string[] {
  return [...listVectors('rfc7520-cookbook/jws'), ...listVectors('rfc7520-cookbook/curve25519')]
}

/** Every signature of an example, from the working and from all output forms. */
function signaturesOf(path: string): Signature[] {
  const { input, signing, output } = readVectors<Example>(path)
  const keys = [input.key].flat()
  const algorithms = [input.alg].flat()
  const payload = Buffer.from(input.payload).toString('base64url')
  return [signing].flat().map((step, index) => {
    // The JSON forms say the same once more, so that each is the same text.
    for (const form of [...(output.json?.signatures ?? []), output.json_flat]) {
      if (form?.signature !== step.sig) continue
      assert.equal(`${form.protected ?? ''}.${output.json?.payload ?? payload}`, step['sig-input'], path)
    }
    return {
      algorithm: algorithms[index]!,
      key: keys[index]!,
      input: step['sig-input'],
      signature: step.sig,
    }
  })
}

type Signature = {
  readonly algorithm: Algorithm
  readonly key: Jwk
  readonly input: string
  readonly signature: string
}
type JsonSignature = { readonly protected?: string; readonly signature: string }
type Step = { readonly 'sig-input': string; readonly sig: string }
type Example = {
  readonly input: {
    readonly payload: string
    readonly key: Jwk | readonly Jwk[]
    readonly alg: Algorithm | readonly Algorithm[]
  }
  readonly signing: Step | readonly Step[]
  readonly output: {
    readonly compact?: string
    readonly json?: { readonly payload?: string; readonly signatures: readonly JsonSignature[] }
    readonly json_flat?: JsonSignature
  }
}

/** Algorithms that give one signature for one text; PSS and ECDSA draw a random number. */
const deterministic: ReadonlySet<Algorithm> = new Set(['HS256', 'RS256', 'EdDSA'])
