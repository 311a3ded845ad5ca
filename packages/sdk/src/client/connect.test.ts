import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Interceptor } from '@connectrpc/connect'
import { connectInterceptor } from './connect.ts'

// A real call is made in examples/connect.

test('the call carries the token, in place of the caller’s own', async () => {
  const asked: string[] = []
  const interceptor: Interceptor = connectInterceptor({
    async headersFor(method, url) {
      asked.push(`${method} ${url}`)
      return { Authorization: 'DPoP token', DPoP: 'proof' }
    },
  })
  const header = new Headers({ Authorization: 'Bearer mine', 'X-Custom': 'y' })
  const request = { url: 'https://x/billing.Invoices/Read', requestMethod: 'POST', header }
  const answer = await interceptor(async (sent) => {
    assert.equal(sent, request)
    return 'answer' as never
  })(request as never)
  assert.equal(answer, 'answer')
  assert.deepEqual(asked, ['POST https://x/billing.Invoices/Read'])
  assert.deepEqual(Object.fromEntries(header), {
    authorization: 'DPoP token',
    dpop: 'proof',
    'x-custom': 'y',
  })
})

test('without a token nothing is sent', async () => {
  const interceptor = connectInterceptor({ headersFor: () => Promise.reject(new Error('no token')) })
  const request = { url: 'https://x/', requestMethod: 'POST', header: new Headers() }
  await assert.rejects(interceptor(() => assert.fail('sent'))(request), { message: 'no token' })
})
