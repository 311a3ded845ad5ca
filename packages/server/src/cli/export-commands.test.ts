import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countersign } from '../../../../test/cli/session.ts'

test('what can be exported stands in the help, each with a command that exists', async () => {
  const { stdout } = await countersign(['export', '--help'], { cwd: import.meta.dirname })
  const names = [...stdout.matchAll(/^ {2}([a-z]+) (?:\[options\] )? *(?:print|display)/gm)].map(
    ([, name]) => name,
  )
  assert.deepEqual(names, ['envoy', 'istio', 'haproxy', 'nginx', 'traefik', 'openapi'])
  for (const name of names) {
    // Without a trust file each says so, and so has been found.
    const { code, stderr } = await countersign(['export', name!, '--config', 'nowhere.yaml'], { cwd: '/' })
    assert.equal(code, 3, `${name}: ${stderr}`)
  }
})
