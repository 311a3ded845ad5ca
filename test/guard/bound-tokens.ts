/** Test support: the part of the adapters' contract about tokens that only their client can use (RFC 9449). */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { Guard } from '@countersign/sdk/guard'
import { createDpopKey, createDpopNonces, createDpopProof } from '@countersign/sdk/jwt'
import { createTestIssuer } from '@countersign/sdk/testing'
import type { RawRequest, Wire } from './raw-request.ts'

/** @param start starts the contract's service behind a guard, and gives its port. */
export function testBoundTokens(ask: Wire['ask'], start: (guard: Guard) => Promise<number>): void {
  describe('tokens that are bound to a key', () => {
    const key = createDpopKey()
    const nonces = createDpopNonces()
    const issuer = createTestIssuer({ nowMs: 1_800_000_000_000 })
    const token = issuer.token({ roles: 'reader', claims: { cnf: { jkt: key.thumbprint } } })
    const publicUrl = 'https://billing.test'
    let port: number
    before(async () => {
      port = await start(issuer.guard({ senderConstraint: 'required', publicUrl, proofs: { nonces } }))
    })

    function proven(target: string, nonce = nonces.current(issuer.clock())): RawRequest {
      const url = publicUrl + target
      const nowMs = issuer.clock()
      const proof = createDpopProof({ key, method: 'GET', url, accessToken: token, nonce, nowMs })
      return { target, headers: ['Authorization', `DPoP ${token}`, 'DPoP', proof] }
    }

    test('the proof is for the URL as the caller wrote it, and counts once', async () => {
      const request = proven('/invoices/7')
      assert.equal((await ask(port, request)).status, 200)
      assert.equal((await ask(port, request)).status, 401)
      assert.equal((await ask(port, { ...proven('/invoices/7'), target: '/invoices/8' })).status, 401)
      assert.equal((await ask(port, proven('/invoices/7?page=2'))).status, 200)
    })

    test('a refusal tells the nonce to use, and an answer the next one', async () => {
      const first = await ask(port, proven('/me', 'x'))
      assert.equal(first.status, 401)
      assert.match(first.headers['www-authenticate']!, /^DPoP .*error="use_dpop_nonce"/)
      const nonce = first.headers['dpop-nonce']!
      assert.equal((await ask(port, proven('/me', nonce))).headers['dpop-nonce'], undefined)
      issuer.advance(61)
      const later = await ask(port, proven('/me', nonce))
      assert.equal(later.status, 200)
      assert.equal(later.headers['dpop-nonce'], nonces.current(issuer.clock()))
    })

    test('as a bearer token it is worth nothing', async () => {
      const reply = await ask(port, { target: '/me', headers: ['Authorization', `Bearer ${token}`] })
      assert.equal(reply.status, 401)
    })
  })
}
