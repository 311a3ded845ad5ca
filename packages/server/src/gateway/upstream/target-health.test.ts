import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TargetHealth } from './target-health.ts'

test('so many failures in a row put it out, and a reply in between does not', () => {
  const { health, told } = open()
  health.failed(0)
  health.failed(0)
  health.succeeded()
  health.failed(0)
  health.failed(0)
  assert.equal(health.takes(0, 7, false), true)
  health.failed(0)
  assert.equal(health.takes(0, 0, true), false)
  assert.deepEqual(told, ['out'])
})

test('after its time one request that can be repeated tries it; its reply brings it back', () => {
  const { health, told } = open()
  for (let i = 0; i < 3; i++) health.failed(0)
  assert.equal(health.takes(999, 0, true), false)
  assert.equal(health.takes(1_000, 0, true), true)
  assert.equal(health.takes(1_000, 1, true), false, 'one at a time')
  assert.equal(health.takes(1_000, 0, false), false, 'what cannot be repeated is no trial')
  health.succeeded()
  assert.equal(health.takes(1_000, 1, false), true)
  assert.deepEqual(told, ['out', 'back'])
})

test('each time it is out for twice as long, and five minutes at most', () => {
  const { health, told } = open()
  let nowMs = 0
  for (let i = 0; i < 3; i++) health.failed(nowMs)
  for (const forMs of [1_000, 2_000, 4_000, 8_000]) {
    assert.equal(health.takes(nowMs + forMs - 1, 0, true), false, String(forMs))
    nowMs += forMs
    assert.equal(health.takes(nowMs, 0, true), true, String(forMs))
    health.failed(nowMs)
  }
  for (let i = 0; i < 20; i++) health.failed((nowMs += 300_000))
  assert.equal(health.takes(nowMs + 299_999, 0, true), false)
  assert.equal(health.takes(nowMs + 300_000, 0, true), true)
  assert.deepEqual(told, ['out'], 'said once')
})

test('failures of what was under way when it was put out say nothing new', () => {
  const { health } = open()
  for (let i = 0; i < 50; i++) health.failed(0)
  assert.equal(health.takes(1_000, 0, true), true)
})

test('the probe has the last word', () => {
  const { health, told } = open()
  health.probed(false)
  health.succeeded()
  assert.equal(health.takes(1e9, 0, true), false)
  health.probed(true)
  assert.equal(health.takes(0, 5, false), true)
  for (let i = 0; i < 3; i++) health.failed(0)
  health.probed(true)
  assert.equal(health.takes(0, 5, false), true)
  assert.deepEqual(told, ['out', 'back', 'out', 'back'])
})

function open(): { health: TargetHealth; told: string[] } {
  const told: string[] = []
  const health = new TargetHealth({ after: 3, forMs: 1_000 }, (change) => told.push(change))
  return { health, told }
}
