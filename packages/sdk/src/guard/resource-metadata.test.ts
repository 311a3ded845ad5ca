import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { listen } from '../../../../test/guard/listen.ts'
import { createResourceMetadata } from './resource-metadata.ts'

const issuers = ['https://issuer.test']

test('the document of RFC 9728, and where it stands (§3.1)', () => {
  const metadata = createResourceMetadata({
    resource: 'https://mcp.test/tools/mcp',
    issuers,
    scopes: ['mcp:tools'],
    name: 'Tools',
    documentation: 'https://mcp.test/docs',
  })
  assert.equal(metadata.path, '/.well-known/oauth-protected-resource/tools/mcp')
  assert.equal(metadata.url, `https://mcp.test${metadata.path}`)
  assert.deepEqual(metadata.document, {
    resource: 'https://mcp.test/tools/mcp',
    authorization_servers: issuers,
    bearer_methods_supported: ['header'],
    scopes_supported: ['mcp:tools'],
    resource_name: 'Tools',
    resource_documentation: 'https://mcp.test/docs',
  })
  for (const [resource, path] of [
    ['https://mcp.test', ''],
    ['https://mcp.test/', ''],
    ['https://mcp.test/a/', '/a'],
    ['https://mcp.test/a?b=c', '/a'],
  ] as const) {
    const at = createResourceMetadata({ resource, issuers })
    assert.equal(at.path, `/.well-known/oauth-protected-resource${path}`, resource)
    assert.equal(at.document['resource'], resource)
  }
  assert.ok(createResourceMetadata({ resource: 'https://mcp.test/a?b=c', issuers }).url.endsWith('/a?b=c'))
})

test('it is served to anybody, and to no other method', async () => {
  const metadata = createResourceMetadata({ resource: 'https://mcp.test/mcp', issuers })
  const { port, close } = await listen(createServer(metadata.listener))
  const reply = await fetch(`http://127.0.0.1:${port}${metadata.path}`)
  assert.equal(reply.headers.get('content-type'), 'application/json')
  assert.equal(reply.headers.get('access-control-allow-origin'), '*')
  assert.deepEqual(await reply.json(), metadata.document)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })).status, 405)
  await close()
})

test('what cannot be is refused', () => {
  for (const resource of ['x', 'ftp://mcp.test', 'https://mcp.test/#a']) {
    assert.throws(() => createResourceMetadata({ resource, issuers }), { code: 'option-invalid' })
  }
  assert.throws(() => createResourceMetadata({ resource: 'https://mcp.test', issuers: [] }), {
    code: 'option-invalid',
  })
  assert.throws(() => createResourceMetadata({ resource: 'https://mcp.test', issuer: 'x' } as never), {
    code: 'option-unknown',
  })
})
