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

test('a call of one message is made once more where that can help', async () => {
  const metadata = new Headers({ 'WWW-Authenticate': 'Bearer error="invalid_token"' })
  for (const [stream, code, renews, calls] of [
    [false, 16, true, 2],
    [false, 16, false, 1],
    [false, 7, true, 1],
    [true, 16, true, 1],
  ] as const) {
    const sent: (string | null)[] = []
    const interceptor = connectInterceptor({
      headersFor: async () => ({ Authorization: 'Bearer old' }),
      headersAgain: async (method, url, given, answer) => {
        assert.deepEqual([method, url, given['Authorization']], ['POST', 'https://x/', 'Bearer old'])
        assert.deepEqual([answer.status, answer.headers], [401, metadata])
        return renews ? { Authorization: 'Bearer new' } : undefined
      },
    })
    const header = new Headers()
    const call = interceptor(async (request: { header: Headers }) => {
      sent.push(request.header.get('authorization'))
      if (sent.length === 1) throw Object.assign(new Error('refused'), { code, metadata })
      return 'answer'
    })({ url: 'https://x/', requestMethod: 'POST', header, stream })
    if (calls === 2) assert.equal(await call, 'answer')
    else await assert.rejects(call, { message: 'refused' })
    assert.deepEqual(sent, ['Bearer old', 'Bearer new'].slice(0, calls))
  }
})

test('without a token nothing is sent', async () => {
  const interceptor = connectInterceptor({ headersFor: () => Promise.reject(new Error('no token')) })
  const request = { url: 'https://x/', requestMethod: 'POST', header: new Headers() }
  await assert.rejects(interceptor(() => assert.fail('sent'))(request), { message: 'no token' })
})

test('a call that is given up while a token is on its way ends at once, and is not made', async () => {
  const metadata = new Headers({ 'WWW-Authenticate': 'Bearer error="invalid_token"' })
  const never = new Promise<never>(() => {})
  const old = async () => ({ Authorization: 'Bearer old' })
  for (const [source, calls] of [
    [{ headersFor: () => never }, 0],
    [{ headersFor: old, headersAgain: () => never }, 1],
  ] as const) {
    let sent = 0
    const controller = new AbortController()
    const { signal } = controller
    const call = connectInterceptor(source)(async () => {
      sent++
      throw Object.assign(new Error('refused'), { code: 16, metadata })
    })({ url: 'https://x/', requestMethod: 'POST', header: new Headers(), signal })
    setTimeout(() => controller.abort(new Error('enough')), 5)
    await assert.rejects(call, { message: 'enough' })
    assert.equal(sent, calls)
  }
})
