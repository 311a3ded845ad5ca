import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTicker } from './ticker.ts'

test('moves on and tells at each tick, until it is stopped', async () => {
  const ticks: number[] = []
  const began = performance.now()
  await new Promise<void>((resolve) => {
    const ticker = startTicker(5, (nowMs) => {
      assert.equal(ticker.nowMs, nowMs)
      ticks.push(nowMs)
      if (ticks.length < 3) return
      ticker.stop()
      resolve()
    })
    assert.ok(ticker.nowMs >= began)
    const alive = setInterval(() => ticks.length >= 3 && clearInterval(alive), 5)
  })
  assert.ok(ticks[0]! > began && ticks[1]! > ticks[0]! && ticks[2]! > ticks[1]!)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(ticks.length, 3)
})
