import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('a server is made without loading fetch', () => {
  const source = new URL('./node-http.ts', import.meta.url).href
  const script = `
    const { createServer } = await import(${JSON.stringify(source)})
    createServer()
    console.log(process.moduleLoadList.filter((name) => name.endsWith('undici/undici')).length)`
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(done.stdout.trim(), '0', done.stderr)
})

test('importing node:http does load it, which is why', () => {
  const script = `
    await import('node:http')
    console.log(process.moduleLoadList.filter((name) => name.endsWith('undici/undici')).length)`
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  // When this fails, Node has learned better, and the module can go.
  assert.equal(done.stdout.trim(), '1', done.stderr)
})
