import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { checkAddress, safeGetJson, safeGetJwt } from './safe-get.ts'
import type { SafeGetLimits } from './safe-get.ts'

const strict: SafeGetLimits = {
  // For a machine that is busy; no test waits for it.
  timeoutMs: 20_000,
  maxBytes: 1000,
  allowPrivateAddresses: false,
  allowLoopback: false,
  dangerouslyAllowHttp: false,
}
const local: SafeGetLimits = { ...strict, allowLoopback: true }

test('gives status, document and what a cache needs', async (t) => {
  const seen: IncomingMessage[] = []
  const url = await serve(t, (request, response) => {
    seen.push(request)
    response
      .setHeader('cache-control', 'max-age=60')
      .setHeader('etag', '"1"')
      .setHeader('retry-after', '7')
      .end('{"keys":[]}')
  })
  assert.deepEqual(await safeGetJson(`${url}/jwks?x=1`, local), {
    status: 200,
    document: { keys: [] },
    cacheControl: 'max-age=60',
    etag: '"1"',
    retryAfter: '7',
  })
  assert.equal(seen[0]?.method, 'GET')
  assert.equal(seen[0]?.url, '/jwks?x=1')
  assert.equal(seen[0]?.headers.accept, 'application/json, application/jwk-set+json')
  assert.equal(seen[0]?.headers['if-none-match'], undefined)
})

test('asks whether something changed, and a 304 has no document', async (t) => {
  const url = await serve(t, (request, response) => {
    response.statusCode = request.headers['if-none-match'] === '"1"' ? 304 : 500
    response.end()
  })
  const reply = await safeGetJson(url, local, '"1"')
  assert.equal(reply.status, 304)
  assert.equal(reply.document, undefined)
})

test('gives a JWT as it is, of a type that says so', async (t) => {
  const types = [
    'application/jwt',
    'application/revocations+jwt; charset=utf-8',
    'application/json',
    'text/plain',
  ]
  const url = await serve(t, (request, response) => {
    const type = types[Number(request.url!.slice(1))]!
    response.setHeader('content-type', type).end('a.b.c\n')
  })
  assert.equal((await safeGetJwt(`${url}/0`, local)).document, 'a.b.c')
  assert.equal((await safeGetJwt(`${url}/1`, local)).document, 'a.b.c')
  for (const index of [2, 3]) {
    await assert.rejects(safeGetJwt(`${url}/${index}`, local), { code: 'fetch-failed' })
  }
})

test('a name of this machine works like its address', async (t) => {
  const url = await serve(t, (_, response) => void response.end('{}'))
  assert.equal((await safeGetJson(url.replace('127.0.0.1', 'localhost'), local)).status, 200)
})

test('follows no redirect', async (t) => {
  let requests = 0
  const url = await serve(t, (_, response) => {
    requests++
    response.writeHead(302, { location: '/elsewhere' }).end('{"keys":[]}')
  })
  const reply = await safeGetJson(url, local)
  assert.equal(reply.status, 302)
  assert.equal(reply.document, undefined)
  assert.equal(requests, 1)
})

for (const [what, body, fault] of [
  ['no JSON', '<html>', 'the answer is not JSON'],
  ['nothing', '', 'the answer is not JSON'],
  ['cut JSON', '{"keys":[', 'the answer is not JSON'],
  ['one byte too many', JSON.stringify('x'.repeat(999)), 'the answer is longer than 1000 bytes'],
] as const) {
  test(`an answer of ${what} fails`, async (t) => {
    const url = await serve(t, (_, response) => void response.end(body))
    await assert.rejects(safeGetJson(url, local), { code: 'fetch-failed', message: `${url}: ${fault}` })
  })
}

for (const type of ['application/json; charset=utf-8', 'Application/JWK-Set+JSON', 'application/json']) {
  test(`an answer of type ${type} is taken`, async (t) => {
    const url = await serve(t, (_, response) => void response.setHeader('content-type', type).end('{}'))
    assert.equal((await safeGetJson(url, local)).status, 200)
  })
}

for (const type of [
  'text/html',
  'text/plain',
  'image/png',
  'application/octet-stream',
  'application/jsonp',
  '',
]) {
  test(`an answer of type "${type}" fails`, async (t) => {
    const url = await serve(t, (_, response) => void response.setHeader('content-type', type).end('{}'))
    const message = `${url}: the answer is of another type than JSON`
    await assert.rejects(safeGetJson(url, local), { code: 'fetch-failed', message })
  })
}

test('an answer of exactly the allowed size is taken', async (t) => {
  const url = await serve(t, (_, response) => void response.end(JSON.stringify('x'.repeat(998))))
  assert.equal((await safeGetJson(url, local)).document, 'x'.repeat(998))
})

test('an answer without end is cut off at the allowed size', async (t) => {
  let closed = false
  const url = await serve(t, (_, response) => {
    const more = (): void => {
      while (response.write(' '.repeat(64))) if (response.destroyed) return
    }
    response.on('drain', more).on('close', () => {
      closed = true
    })
    more()
  })
  await assert.rejects(safeGetJson(url, local), { message: `${url}: the answer is longer than 1000 bytes` })
  for (let waited = 0; !closed && waited < 2000; waited++) await new Promise((done) => setTimeout(done, 10))
  assert.ok(closed, 'the connection stays open')
})

test('an answer that does not come fails in time', async (t) => {
  const url = await serve(t, () => {})
  await assert.rejects(safeGetJson(url, { ...local, timeoutMs: 50 }), {
    code: 'fetch-failed',
    message: `${url}: no answer within 50 ms`,
    next: 'check that it can be reached from here',
  })
})

test('an answer that drips fails in time', async (t) => {
  const url = await serve(t, (_, response) => {
    const timer = setInterval(() => response.write(' '), 5)
    response.on('close', () => clearInterval(timer))
  })
  await assert.rejects(safeGetJson(url, { ...local, timeoutMs: 60 }), {
    message: `${url}: no answer within 60 ms`,
  })
})

test('an answer that breaks off fails', async (t) => {
  const url = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('{"keys":')
    setTimeout(() => response.destroy(), 10)
  })
  await assert.rejects(safeGetJson(url, local), {
    code: 'fetch-failed',
    message: `${url}: the answer broke off`,
  })
})

test('a port where nobody listens fails', async (t) => {
  const url = await serve(t, () => {})
  const nobody = new URL(url)
  nobody.port = '1'
  await assert.rejects(safeGetJson(nobody.href, local), {
    code: 'fetch-failed',
    message: `${nobody.href}: cannot be reached`,
  })
})

test('a URL with credentials is refused without quoting them', async () => {
  await assert.rejects(safeGetJson('https://user:hunter2@issuer.example/', strict), (problem: Error) => {
    assert.equal((problem as Error & { code?: string }).code, 'fetch-refused')
    assert.ok(!String(problem.stack).includes('hunter2'))
    return true
  })
})

for (const [url, limits] of [
  ['not a url', strict],
  ['/jwks', strict],
  ['ftp://issuer.example/jwks', strict],
  ['file:///etc/passwd', strict],
  ['data:application/json,{}', strict],
  ['http://issuer.example/jwks', strict],
  ['http://issuer.example/jwks', local],
  ['http://10.0.0.1/jwks', { ...local, allowPrivateAddresses: true }],
  ['http://localhost.issuer.example/jwks', local],
  ['http://127.0.0.1:1/jwks', strict],
] as const) {
  test(`${url} is refused by its scheme ${limits === strict ? 'from outside' : 'on loopback'}`, async () => {
    await assert.rejects(safeGetJson(url, limits), { code: 'fetch-refused' })
  })
}

test('loopback is not reached unless it was meant, by no spelling', async (t) => {
  let requests = 0
  const url = await serve(t, (_, response) => {
    requests++
    response.end('{}')
  })
  const { port } = new URL(url)
  for (const host of [
    ...['127.0.0.1', '127.9.9.9', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '0.0.0.0', '[::]', '[::1]'],
    ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', 'localhost', 'LOCALHOST'],
  ]) {
    await assert.rejects(
      safeGetJson(`http://${host}:${port}/`, {
        ...strict,
        dangerouslyAllowHttp: true,
        allowPrivateAddresses: true,
      }),
      { code: 'fetch-refused' },
      host,
    )
  }
  assert.equal(requests, 0)
})

for (const [address, fault] of [
  ['10.1.2.3', 'a private address'],
  ['172.16.0.1', 'a private address'],
  ['172.31.255.255', 'a private address'],
  ['192.168.1.1', 'a private address'],
  ['100.64.0.1', 'a private address'],
  ['198.18.0.1', 'a private address'],
  ['fc00::1', 'a private address'],
  ['fdff::1', 'a private address'],
  ['64:ff9b::a00:1', 'a private address'],
  ['::ffff:10.1.2.3', 'a private address'],
  ['169.254.169.254', 'no address of an issuer'],
  ['::ffff:169.254.169.254', 'no address of an issuer'],
  ['100.100.100.200', 'no address of an issuer'],
  ['fd00:ec2::254', 'no address of an issuer'],
  ['fe80::1', 'no address of an issuer'],
  ['0.0.0.0', 'no address of an issuer'],
  ['::', 'no address of an issuer'],
  ['224.0.0.1', 'no address of an issuer'],
  ['255.255.255.255', 'no address of an issuer'],
  ['ff02::1', 'no address of an issuer'],
  ['127.0.0.1', 'a loopback address'],
  ['::1', 'a loopback address'],
] as const) {
  test(`${address} is ${fault}`, async () => {
    const refusal = { code: 'fetch-refused', message: new RegExp(`: ${fault}$`) }
    const host = address.includes(':') ? `[${address}]` : address
    await assert.rejects(safeGetJson(`https://${host}/`, strict), refusal)
    assert.throws(() => checkAddress(address, false, strict), refusal)
    const inside = { ...strict, allowPrivateAddresses: true }
    if (fault === 'a private address') checkAddress(address, false, inside)
    else assert.throws(() => checkAddress(address, false, inside), refusal)
  })
}

for (const address of [
  '1.1.1.1',
  '172.15.0.1',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '::ffff:1.1.1.1',
]) {
  test(`${address} is a public address`, () => {
    checkAddress(address, false, strict)
  })
}

test('a name of this machine may lead to this machine only', () => {
  checkAddress('127.0.0.1', true, local)
  checkAddress('::1', true, local)
  for (const address of ['1.1.1.1', '10.0.0.1', '169.254.169.254', '2606:4700::1111']) {
    assert.throws(() => checkAddress(address, true, { ...local, allowPrivateAddresses: true }), {
      code: 'fetch-refused',
      message: `${address}: a name of this machine leads to another`,
    })
  }
})

/** Starts a server on loopback for one test and gives its origin. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
