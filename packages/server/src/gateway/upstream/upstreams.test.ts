import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLimits } from '../front/limits.ts'
import { silentLog } from '../../log.ts'
import { poolOf, standService } from '../../../../../test/gateway/stand.ts'
import type { Service, UpstreamSettings } from '../../trust/trust.ts'
import { Upstreams } from './upstreams.ts'

const settings = poolOf(['http://127.0.0.1:1', 'http://127.0.0.1:2']).upstreamSettings!

test('services that say the same share a pool', () => {
  const { upstreams } = open()
  assert.equal(upstreams.poolFor(one({ name: 'a' })), upstreams.poolFor(one({ name: 'b' })))
  assert.equal(upstreams.poolFor(many()), upstreams.poolFor(many()))
  assert.notEqual(upstreams.poolFor(one()), upstreams.poolFor(many()))
})

test('another choice among them is another pool of the same targets; other timeouts are other targets', () => {
  const { upstreams } = open()
  const before = upstreams.poolFor(many())
  const other = upstreams.poolFor(many({ balance: 'round-robin', targets: [settings.targets[1]!] }))
  assert.notEqual(other, before)
  assert.equal(other.targets[0], before.targets[1])
  const slower = upstreams.poolFor(many({ timeouts: { ...settings.timeouts, replySeconds: 4 } }))
  assert.notEqual(slower.targets[0], before.targets[0])
})

test('what stays in the file keeps its targets, and what is known of them', () => {
  const { upstreams } = open()
  const before = upstreams.poolFor(many())
  for (let i = 0; i < 5; i++) before.targets[0]!.health.failed(0)
  const after = upstreams.poolFor(many({ targets: [...settings.targets, 'http://127.0.0.1:3'] }))
  upstreams.keep(new Set([after]))
  assert.equal(after.targets[0], before.targets[0])
  assert.equal(after.targets[0]!.health.out, true)
  assert.notEqual(upstreams.poolFor(many()), before)
})

test('what left the file is new when it comes back', () => {
  const { upstreams } = open()
  const before = upstreams.poolFor(many())
  upstreams.keep(new Set())
  assert.notEqual(upstreams.poolFor(many()).targets[0], before.targets[0])
})

test('a place is counted once, whatever services say of it', () => {
  const { upstreams } = open()
  upstreams.poolFor(many())
  const slower = upstreams.poolFor(many({ timeouts: { ...settings.timeouts, replySeconds: 4 } }))
  for (let i = 0; i < 5; i++) slower.targets[1]!.health.failed(0)
  assert.deepEqual(
    upstreams.states().map(([upstream, { out }]) => [upstream, out]),
    [
      ['http://127.0.0.1:1', false],
      ['http://127.0.0.1:2', true],
    ],
  )
})

test('a target that is put out, and one that is back, is told', () => {
  const lines: unknown[] = []
  const tell = (event: string, fields: unknown): void => void lines.push([event, fields])
  const upstreams = new Upstreams(readLimits(), { ...silentLog, warn: tell, info: tell }, () => ticker)
  const [target] = upstreams.poolFor(many()).targets
  for (let i = 0; i < 5; i++) target!.health.failed(0)
  target!.health.succeeded()
  const upstream = 'http://127.0.0.1:1'
  assert.deepEqual(lines, [
    ['upstream out', { upstream }],
    ['upstream back', { upstream }],
  ])
})

const ticker = { nowMs: 0, stop() {} }

function open(): { upstreams: Upstreams } {
  return { upstreams: new Upstreams(readLimits(), silentLog, () => ticker) }
}

function one(changes: Partial<Service> = {}): Service {
  return standService('http://127.0.0.1:1', changes)
}

function many(changes: Partial<UpstreamSettings> = {}): Service {
  return standService(settings.targets[0]!, { upstreamSettings: { ...settings, ...changes } })
}
