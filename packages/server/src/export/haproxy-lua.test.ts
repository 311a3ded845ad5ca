import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { haproxyLua } from './haproxy-lua.ts'

const lua = ['lua5.4', 'lua5.3', 'lua'].find((name) => spawnSync(name, ['-v']).status === 0)

test('the action names one endpoint, and the headers that are filled', () => {
  const text = haproxyLua('10.0.0.5:9002', ['X-Tenant', 'Authorization'])
  assert.match(text, /^local endpoint = "http:\/\/10\.0\.0\.5:9002\/authz"$/m)
  assert.match(text, /^local filled = \{ \["x-tenant"\] = true, \["authorization"\] = true \}$/m)
  assert.match(haproxyLua('10.0.0.5:9002', []), /^local filled = \{ {2}\}$/m)
})

test('it is Lua', { skip: lua === undefined ? 'no Lua on this machine' : false }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lua-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'x.lua'), `return function()\n${haproxyLua('a:1', ['X-Tenant'])}\nend`)
  const checked = spawnSync(lua!, ['-e', 'assert(loadfile("x.lua"))'], { cwd: folder, encoding: 'utf8' })
  assert.equal(checked.status, 0, checked.stderr)
})
