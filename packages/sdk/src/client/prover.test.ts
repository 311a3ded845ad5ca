import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDpopKey } from '../jwt/dpop-proof.ts'
import { inspectToken } from '../jwt/inspect.ts'
import { Prover } from './prover.ts'

const nowMs = 1_800_000_000_000
const url = 'https://billing.example/invoices/7'

test('a proof for one request, by the clock it was given', () => {
  const { header, nonce } = make().proofFor('POST', `${url}?a=b`, 'token')
  const { claims } = inspectToken(header)
  assert.equal(nonce, undefined)
  assert.deepEqual(
    [claims!['htm'], claims!['htu'], claims!['iat'], 'ath' in claims!, 'nonce' in claims!],
    ['POST', url, nowMs / 1000, true, false],
  )
})

test('a nonce is remembered for its origin, until there is another', () => {
  const prover = make()
  const first = prover.proofFor('GET', url)
  assert.equal(prover.learn(url, answer('n-1'), first), true)
  assert.equal(nonceIn(prover, 'https://billing.example:443/other'), 'n-1')
  assert.equal(nonceIn(prover, 'https://orders.example/'), undefined)
  const second = prover.proofFor('GET', url)
  assert.equal(prover.learn(url, answer('n-1'), second), false, 'the very one that was sent')
  assert.equal(prover.learn(url, answer('n-2'), second), true)
  assert.equal(nonceIn(prover, url), 'n-2')
})

test('of two requests at once, the second is told as well', () => {
  const prover = make()
  const [one, two] = [prover.proofFor('GET', url), prover.proofFor('GET', url)]
  assert.equal(prover.learn(url, answer('n-1'), one), true)
  assert.equal(prover.learn(url, answer('n-1'), two), true)
})

test('what is no nonce is not remembered', () => {
  const prover = make()
  const sent = prover.proofFor('GET', url)
  for (const nonce of [undefined, '', 'a, b', 'x'.repeat(513)]) {
    assert.equal(prover.learn(url, answer(nonce), sent), false)
  }
  assert.equal(nonceIn(prover, url), undefined)
})

test('a bounded number of origins, the latest', () => {
  const prover = make()
  const sent = prover.proofFor('GET', url)
  for (let index = 0; index <= 100; index++) prover.learn(`https://s${index}.example/`, answer('n'), sent)
  assert.equal(nonceIn(prover, 'https://s0.example/'), undefined)
  assert.equal(nonceIn(prover, 'https://s1.example/'), 'n')
  assert.equal(nonceIn(prover, 'https://s100.example/'), 'n')
})

function make(): Prover {
  return new Prover(createDpopKey(), () => nowMs)
}

function answer(nonce: string | undefined): Headers {
  return new Headers(nonce === undefined ? {} : { 'DPoP-Nonce': nonce })
}

function nonceIn(prover: Prover, at: string): unknown {
  return inspectToken(prover.proofFor('GET', at).header).claims!['nonce']
}
