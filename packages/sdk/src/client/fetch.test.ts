import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { Secret } from '../core/secret.ts'
import { createTokenFetch } from './fetch.ts'
import type { AccessToken } from './token-source.ts'

type Seen = {
  method: string
  url: string
  authorization: string | undefined
  body: string
  custom: string | undefined
}
let seen: Seen[] = []
let challenge = 'Bearer realm="x", error="invalid_token"'
const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const { authorization, 'x-custom': custom } = request.headers
  seen.push({
    method: request.method!,
    url: request.url!,
    authorization,
    body,
    custom: custom as string | undefined,
  })
  const good = authorization === 'Bearer good'
  response
    .writeHead(good ? 200 : 401, good ? {} : { 'WWW-Authenticate': challenge })
    .end(good ? 'hello' : 'refused')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.close()
  server.closeAllConnections()
})
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/invoices`

const old = token('old')
const good = token('good')
let renewals = 0
let next: AccessToken | undefined
beforeEach(() => {
  seen = []
  renewals = 0
  next = good
  challenge = 'Bearer realm="x", error="invalid_token"'
})

test('the token goes along, in place of what the caller says', async () => {
  const response = await from(good)(url, { headers: { Authorization: 'Bearer mine', 'X-Custom': 'y' } })
  assert.equal(await response.text(), 'hello')
  assert.deepEqual(seen, [
    { method: 'GET', url: '/invoices', authorization: 'Bearer good', body: '', custom: 'y' },
  ])
})

for (const [what, body, text] of [
  ['nothing', undefined, ''],
  ['a string', 'abc', 'abc'],
  ['bytes', Buffer.from('abc'), 'abc'],
  ['a buffer', new TextEncoder().encode('abc').buffer, 'abc'],
  ['a blob', new Blob(['abc']), 'abc'],
  ['a form', new URLSearchParams({ a: 'b' }), 'a=b'],
] as const) {
  test(`after invalid_token a request with ${what} is sent once more with a new token`, async () => {
    const response = await from(old)(url, body === undefined ? {} : { method: 'POST', body })
    assert.equal(response.status, 200)
    assert.deepEqual(
      seen.map(({ authorization }) => authorization),
      ['Bearer old', 'Bearer good'],
    )
    assert.deepEqual(
      seen.map((request) => request.body),
      [text, text],
    )
  })
}

test('the first answer is let go before the second request', async () => {
  const order: string[] = []
  const body = new ReadableStream({ cancel: () => void order.push('let go') })
  const answers = [
    new Response(body, { status: 401, headers: { 'WWW-Authenticate': challenge } }),
    new Response('hello'),
  ]
  const send = createTokenFetch(source(old), {
    allowInsecure: false,
    fetch: async () => {
      order.push('sent')
      return answers.shift()!
    },
  })
  assert.equal(await (await send(url)).text(), 'hello')
  assert.deepEqual(order, ['sent', 'let go', 'sent'])
})

test('only once', async () => {
  next = token('worse')
  const response = await from(old)(url)
  assert.equal(response.status, 401)
  assert.equal(seen.length, 2)
})

test('a body that can be read only once is never sent twice', async () => {
  const stream = new Blob(['abc']).stream()
  const response = await from(old)(url, { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
  assert.equal(response.status, 401)
  assert.equal(await response.text(), 'refused', 'the answer is still there to read')
  assert.equal(seen.length, 1)
  assert.equal(renewals, 0)
  const request = new Request(url, { method: 'POST', body: 'abc' })
  assert.equal((await from(old)(request)).status, 401)
  assert.equal(seen.length, 2)
})

test('a Request without a body can be sent again, with its own headers', async () => {
  const request = new Request(url, { headers: { 'X-Custom': 'y', Authorization: 'Basic x' } })
  assert.equal((await from(old)(request)).status, 200)
  assert.deepEqual(
    seen.map(({ custom }) => custom),
    ['y', 'y'],
  )
})

test('a 401 for another reason is the caller’s', async () => {
  for (const other of ['Bearer realm="x"', 'Basic realm="invalid_token"', 'Bearer error="invalid_request"']) {
    challenge = other
    assert.equal((await from(old)(url)).status, 401)
  }
  assert.equal(renewals, 0)
})

test('without another token the answer is the first one', async () => {
  next = undefined
  const response = await from(old)(url)
  assert.equal(await response.text(), 'refused')
  assert.equal(seen.length, 1)
})

test('a token is not sent where others can read it', async () => {
  const send = from(good)
  await assert.rejects(send('http://billing.example/x'), { code: 'option-invalid' })
  await assert.rejects(send(new URL('http://billing.example/x')), { code: 'option-invalid' })
  await assert.rejects(send(new Request('http://billing.example/x')), { code: 'option-invalid' })
  assert.equal(renewals, 0)
  const calls: string[] = []
  const insecure = createTokenFetch(source(good), {
    allowInsecure: true,
    fetch: (async (input: string) => {
      calls.push(input)
      return new Response()
    }) as typeof fetch,
  })
  await insecure('http://billing.example/x')
  assert.deepEqual(calls, ['http://billing.example/x'])
})

test('a redirect takes no token to another origin, a transaction token neither', async () => {
  const elsewhere: Record<string, unknown>[] = []
  const other = createServer((request, response) => {
    elsewhere.push(request.headers)
    response.end('elsewhere')
  })
  const moved = createServer((_request, response) => {
    const { port } = other.address() as AddressInfo
    response.writeHead(302, { Location: `http://127.0.0.1:${port}/` }).end()
  })
  for (const one of [other, moved]) await once(one.listen(0, '127.0.0.1'), 'listening')
  try {
    const at = `http://127.0.0.1:${(moved.address() as AddressInfo).port}/`
    assert.equal(await (await from(good)(at)).text(), 'elsewhere')
    assert.equal(elsewhere[0]!['authorization'], undefined)
    const headers = { 'txn-token': 'a.b.c' }
    for (const response of [
      await from(good)(at, { headers }),
      await from(good)(new Request(at, { headers })),
    ]) {
      assert.equal(response.status, 302)
    }
    await assert.rejects(from(good)(at, { headers, redirect: 'error' }))
    assert.equal(elsewhere.length, 1)
  } finally {
    for (const one of [other, moved]) one.close().closeAllConnections()
  }
})

test('what the source throws is what the caller gets, and nothing is sent', async () => {
  const failing = createTokenFetch(
    { token: () => Promise.reject(new Problem('token-unavailable', 'x')), renewed: async () => undefined },
    { fetch, allowInsecure: false },
  )
  await assert.rejects(failing(url), { code: 'token-unavailable' })
  assert.deepEqual(seen, [])
})

test('who gives up while the token is on its way is told at once, and nothing is sent afterwards', async () => {
  const waits: [string, (signal: AbortSignal) => Parameters<typeof fetch>][] = [
    ['in the options', (signal) => [url, { signal }]],
    ['in a Request', (signal) => [new Request(url, { signal })]],
    ['in place of a Request’s own', (signal) => [new Request(url), { signal }]],
  ]
  for (const [where, wait] of waits) {
    const { promise, resolve } = Promise.withResolvers<AccessToken>()
    const send = createTokenFetch({ ...source(good), token: () => promise }, { fetch, allowInsecure: false })
    const controller = new AbortController()
    const given = wait(controller.signal)
    const [gone, other] = [send(...given), send(url)]
    const reason = new Error('enough')
    controller.abort(reason)
    await assert.rejects(gone, (error) => error === reason, where)
    if (given.length === 2) assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    assert.deepEqual(seen, [])
    resolve(good)
    assert.equal(await (await other).text(), 'hello', 'others go on waiting')
    await new Promise((done) => setTimeout(done, 20))
    assert.equal(seen.length, 1)
    seen = []
  }
})

test('who has given up already asks for no token; null is no signal', async () => {
  const never = { ...source(good), token: () => assert.fail('asked') }
  const send = createTokenFetch(never, { fetch, allowInsecure: false })
  const signal = AbortSignal.abort()
  await assert.rejects(send(url, { signal }), { name: 'AbortError' })
  await assert.rejects(send(new Request(url, { signal })), { name: 'AbortError' })
  assert.deepEqual(seen, [])
  assert.equal((await from(good)(new Request(url, { signal }), { signal: null })).status, 200)
})

test('a signal that outlives its calls holds nothing of them', async () => {
  const { signal } = new AbortController()
  // By no fetch of the platform, which leaves a listener of its own to the garbage collector.
  const options = { fetch: async () => new Response('hello'), allowInsecure: false }
  const send = createTokenFetch(source(good), options)
  await Promise.all(Array.from({ length: 20 }, () => send(url, { signal })))
  const failing = { ...source(good), token: () => Promise.reject(new Error('no token')) }
  await assert.rejects(createTokenFetch(failing, options)(url, { signal }), { message: 'no token' })
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('whoever gives up lets the body go', async () => {
  const cancelled: unknown[] = []
  const body = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) })
  const never = { ...source(good), token: () => new Promise<AccessToken>(() => {}) }
  const controller = new AbortController()
  const init = { method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit
  const sent = createTokenFetch(never, { fetch, allowInsecure: false })(url, init)
  controller.abort('enough')
  await assert.rejects(sent, (error) => error === 'enough')
  assert.deepEqual(cancelled, ['enough'])
})

test('who gives up while another token is on its way is told at once, by whatever fetch', async () => {
  const { promise, resolve } = Promise.withResolvers<AccessToken | undefined>()
  const controller = new AbortController()
  let sent = 0
  const send = createTokenFetch(
    { ...source(old), renewed: () => promise },
    {
      allowInsecure: false,
      fetch: async () => {
        sent++
        queueMicrotask(() => setImmediate(() => controller.abort()))
        return new Response('', { status: 401, headers: { 'WWW-Authenticate': challenge } })
      },
    },
  )
  await assert.rejects(send(url, { signal: controller.signal }), { name: 'AbortError' })
  resolve(good)
  await new Promise((done) => setImmediate(done))
  assert.equal(sent, 1)
})

function from(current: AccessToken): typeof fetch {
  return createTokenFetch(source(current), { fetch, allowInsecure: false })
}

function source(current: AccessToken) {
  return {
    token: async () => current,
    renewed: async (refused: AccessToken) => {
      assert.equal(refused, current)
      renewals++
      return next
    },
  }
}

function token(text: string): AccessToken {
  return { secret: Secret.fromText(text), expiresAtMs: 0, scopes: undefined }
}
