import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { IssuerDown } from './issuer-down.ts'
import { requestToken } from './token-request.ts'
import type { TokenRequest, TokenResponse } from './token-request.ts'

const secret = 's3cr3t/+ü& !'
const nowMs = Date.parse('2026-11-22T08:00:00Z')
const granted = { access_token: 'hunter2.def.ghi', token_type: 'Bearer', expires_in: 300 }

let respond: (response: ServerResponse) => void = () => {}
let seen: { headers: IncomingMessage['headers']; form: URLSearchParams; url: string }[] = []
const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  seen.push({ headers: request.headers, form: new URLSearchParams(body), url: request.url! })
  respond(response)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => {
  server.close()
  server.closeAllConnections()
})
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`

test('a request is what RFC 6749 §4.4.2 says', async () => {
  const response = await ask(json(200, { ...granted, scope: 'a b' }), {
    fields: { grant_type: 'client_credentials', audience: 'billing', scope: 'a b' },
  })
  assert.equal(response.token.revealText(), 'hunter2.def.ghi')
  assert.equal(response.lifetimeSeconds, 300)
  assert.deepEqual(response.scopes, ['a', 'b'])
  const { headers, form } = seen.at(-1)!
  assert.equal(headers['content-type'], 'application/x-www-form-urlencoded')
  assert.deepEqual(Object.fromEntries(form), {
    grant_type: 'client_credentials',
    audience: 'billing',
    scope: 'a b',
  })
  const basic = Buffer.from(headers.authorization!.slice(6), 'base64').toString()
  assert.equal(new URLSearchParams(`s=${basic.split(':')[1]}`).get('s'), secret)
})

test('the secret in the form, where the issuer wants it there', async () => {
  await ask(json(200, granted), { endpoint: { url, method: 'client_secret_post' } })
  const { headers, form } = seen.at(-1)!
  assert.equal(headers.authorization, undefined)
  assert.equal(form.get('client_id'), 'orders')
  assert.equal(form.get('client_secret'), secret)
})

test('lifetimes', async () => {
  const of = async (value: unknown) =>
    (await ask(json(200, { ...granted, expires_in: value }))).lifetimeSeconds
  assert.equal(await of('300'), 300)
  assert.equal(await of(undefined), 60)
  for (const value of [0, -1, 'soon', null, true, [300], {}]) {
    await assert.rejects(of(value), { code: 'token-unavailable' }, JSON.stringify(value))
  }
})

for (const [what, body] of [
  ['no token', { token_type: 'Bearer' }],
  ['an empty token', { ...granted, access_token: '' }],
  ['a token with a line break', { ...granted, access_token: 'hunter2\r\nX: y' }],
  ['a token with a blank', { ...granted, access_token: 'a b' }],
  ['a token of padding', { ...granted, access_token: '==' }],
  ['a token of 17 KiB', { ...granted, access_token: 'a'.repeat(17 * 1024) }],
  ['another type', { ...granted, token_type: 'DPoP' }],
  ['no type', { access_token: 'hunter2' }],
  ['a list', [granted]],
  ['null', null],
] as const) {
  test(`${what} in the answer is no grant`, async () => {
    await assert.rejects(ask(json(200, body)), (problem: Problem) => {
      assert.equal(problem.code, 'token-unavailable')
      assert.ok(!text(problem).includes('hunter2'), 'nothing of the token')
      return true
    })
  })
}

test('a bearer token by any case of its type', async () => {
  assert.equal(
    (await ask(json(200, { ...granted, token_type: 'bearer' }))).token.revealText(),
    'hunter2.def.ghi',
  )
})

for (const [status, body, code, message] of [
  [400, { error: 'invalid_scope' }, 'token-refused', `${url}: invalid_scope`],
  [
    401,
    { error: 'invalid_client', error_description: 'unknown client' },
    'token-refused',
    `${url}: invalid_client: unknown client`,
  ],
  [401, 'no JSON', 'token-refused', `${url}: invalid_client`],
  [400, { error: 'x', error_description: 'line\nbreak' }, 'token-refused', `${url}: x`],
  [400, { error: 'x', error_description: `you sent ${secret}` }, 'token-refused', `${url}: x`],
  [
    400,
    { error: 'x', error_description: 'you sent s=s3cr3t%2F%2B%C3%BC%26+%21' },
    'token-refused',
    `${url}: x`,
  ],
  [
    400,
    { error: `wrong ${'s3cr3t%2F%2B%C3%BC%26%20!'}` },
    'token-unavailable',
    `${url}: it answered with status 400`,
  ],
  [400, {}, 'token-unavailable', `${url}: it answered with status 400`],
  [404, 'not here', 'token-unavailable', `${url}: it answered with status 404`],
  [429, { error: 'slow_down' }, 'token-unavailable', `${url}: it answered with status 429`],
  [400, { error: 'temporarily_unavailable' }, 'token-unavailable', `${url}: it answered with status 400`],
  [500, { error: 'invalid_client' }, 'token-unavailable', `${url}: it answered with status 500`],
  [204, '', 'token-unavailable', `${url}: it answered with status 204`],
] as const) {
  test(`${status} ${JSON.stringify(body).replace(secret, '…')} is ${code}`, async () => {
    const basic = Buffer.from(`orders:${new URLSearchParams({ '': secret }).toString().slice(1)}`).toString(
      'base64',
    )
    await assert.rejects(ask(json(status, body)), (problem: Problem) => {
      assert.equal(problem.code, code)
      assert.equal(problem.message, message)
      for (const hidden of ['s3cr3t', basic]) assert.ok(!text(problem).includes(hidden))
      return true
    })
  })
}

for (const [what, isDown, respondBy, timeoutMs = 20_000] of [
  ['429', true, json(429, {})],
  ['502', true, json(502, {})],
  ['503', true, json(503, {})],
  ['504', true, json(504, {})],
  ['500 with Retry-After', true, json(500, {}, { 'Retry-After': '5' })],
  ['temporarily_unavailable', true, json(400, { error: 'temporarily_unavailable' })],
  ['no answer', true, () => {}, 100],
  ['a connection that is cut', true, (response: ServerResponse) => void response.destroy()],
  ['500', false, json(500, {})],
  ['server_error', false, json(400, { error: 'server_error' })],
  ['404', false, json(404, {})],
  ['invalid_grant', false, json(400, { error: 'invalid_grant' })],
  ['invalid_grant with Retry-After', false, json(400, { error: 'invalid_grant' }, { 'Retry-After': '5' })],
  ['no token', false, json(200, {})],
] as const) {
  test(`${what} is ${isDown ? 'the issuer’s state' : 'about this request'}`, async () => {
    await assert.rejects(ask(respondBy, { timeoutMs }), (problem) => {
      assert.equal(problem instanceof IssuerDown, isDown)
      return true
    })
  })
}

test('an error named like what every object has has no next step of its own', async () => {
  for (const error of ['constructor', 'toString', '__proto__']) {
    await assert.rejects(ask(json(400, { error })), {
      code: 'token-refused',
      next: 'check what the issuer lets this client ask for',
    })
  }
})

test('an echo of the credentials as they were sent is not repeated', async () => {
  const basic = Buffer.from(`orders:${new URLSearchParams({ '': secret }).toString().slice(1)}`).toString(
    'base64',
  )
  await assert.rejects(
    ask(json(400, { error: 'x', error_description: `got Basic ${basic}` })),
    (problem: Problem) => {
      assert.ok(!text(problem).includes(basic))
      return true
    },
  )
})

test('no redirect is followed, since it would take the secret along', async () => {
  for (const status of [301, 302, 307, 308]) {
    seen = []
    const redirect = (response: ServerResponse): void =>
      void response.writeHead(status, { Location: '/elsewhere' }).end()
    await assert.rejects(ask(redirect), { code: 'token-unavailable', message: /a redirect/ })
    assert.deepEqual(
      seen.map(({ url: path }) => path),
      ['/token'],
    )
  }
})

for (const [value, seconds] of [
  ['7', 7],
  ['0', 0],
  ['-5', undefined],
  ['3000', 3000],
  ['99999999', 3600],
  ['Sun, 22 Nov 2026 08:00:30 GMT', 30],
  ['Sun, 22 Nov 2026 07:00:00 GMT', 0],
  ['later', undefined],
  ['', undefined],
] as const) {
  test(`Retry-After: ${value}`, async () => {
    await assert.rejects(ask(json(503, {}, { 'Retry-After': value })), (problem: Problem) => {
      assert.equal(problem.retryAfterSeconds, seconds)
      return true
    })
  })
}

test('an answer without end, or one that never comes', async () => {
  const endless = (response: ServerResponse): void => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16 * 1024, ' ')));
    }
    response.writeHead(200).on('drain', more)
    more()
  }
  await assert.rejects(ask(endless), { code: 'token-unavailable', message: /longer than 65536 bytes/ })
  await assert.rejects(
    ask(() => {}, { timeoutMs: 50 }),
    { code: 'token-unavailable', message: /no answer within 50 ms/ },
  )
  const half = (response: ServerResponse): void => void response.writeHead(200).write('{"access')
  await assert.rejects(ask(half, { timeoutMs: 50 }), {
    code: 'token-unavailable',
    message: /no answer within 50 ms/,
  })
  await assert.rejects(
    ask((response) => response.destroy()),
    { code: 'token-unavailable', message: /cannot be reached/ },
  )
  // A reserved port (RFC 6335 §6) that fetch lets through; one that was free a moment ago may be somebody's by now.
  const nowhere = 'http://127.0.0.1:2/token'
  await assert.rejects(
    ask(() => {}, { endpoint: { url: nowhere, method: 'client_secret_basic' } }),
    {
      message: `${nowhere}: cannot be reached (ECONNREFUSED)`,
    },
  )
})

function ask(answer: typeof respond, changes: Partial<TokenRequest> = {}): Promise<TokenResponse> {
  respond = answer
  return requestToken({
    endpoint: { url, method: 'client_secret_basic' },
    clientId: 'orders',
    clientSecret: secret,
    fields: {},
    // For a machine that is busy; no test waits for it.
    timeoutMs: 20_000,
    fetch: globalThis.fetch,
    nowMs,
    ...changes,
  })
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): typeof respond {
  return (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

/** Everything that a log could print of a problem. */
function text(problem: Problem): string {
  return [problem.message, problem.next, problem.stack, JSON.stringify(problem), String(problem.cause)].join(
    '\n',
  )
}
