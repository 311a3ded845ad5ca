import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { signerFolder } from '../../../../../test/issuer/signer-folder.ts'
import { startSignerProcess } from './signer-process.ts'
import type { SignerProcess } from './signer-process.ts'

const folder = signerFolder('a', 'b')
after(() => folder.remove())
const question = { method: 'sign', keyId: 'a', algorithm: 'ES256', input: 'AAAA' }

test('every question gets its own answer, in whatever order they come', async () => {
  const { signer } = start()
  folder.turn('odd-first')
  const order: number[] = []
  await Promise.all(
    [1, 2, 3, 4].map(async (number) => {
      const { id } = await signer.ask(question)
      assert.equal(id, number)
      order.push(number)
    }),
  )
  assert.deepEqual(order.slice(0, 2).sort(), [1, 3])
  folder.turn('ok')
  const { keys } = await signer.ask({ method: 'keys' })
  assert.equal((keys as unknown[]).length, 2)
})

test('what the program says went wrong is passed on, on one line, and it goes on', async () => {
  const { signer } = start()
  folder.turn('error')
  await assert.rejects(signer.ask(question), {
    code: 'signer-unavailable',
    message: 'the external signer: it says: the key?service is throttling',
    retryAfterSeconds: 2,
  })
  folder.turn('ok')
  assert.equal(typeof (await signer.ask(question))['signature'], 'string')
})

for (const [mode, why] of [
  ['die', /ended \(exit code 3\)/],
  ['garbage', /answered what makes no sense/],
  ['other-id', /answered what makes no sense/],
  ['hang', /no answer within 400 ms/],
] as const) {
  test(`a program that does this is given up and started again: ${mode}`, async () => {
    const { signer, logged } = start(mode === 'hang' ? 400 : patienceMs)
    await again(signer)
    folder.turn(mode)
    const outcomes = await Promise.allSettled([signer.ask(question), signer.ask(question)])
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected')
      assert.equal(outcome.reason.code, 'signer-unavailable')
    }
    assert.match(outcomes[0]!.status === 'rejected' ? outcomes[0].reason.message : '', why)
    assert.equal(signer.isRunning(), false)
    await assert.rejects(signer.ask(question), { code: 'signer-unavailable', message: /it is not running/ })
    folder.turn('ok')
    await again(signer)
    assert.deepEqual(logged, ['signer.ended', 'signer.started-again'])
  })
}

test('one slow answer among others is no program that hangs', async () => {
  const { signer, logged } = start(2000)
  // The first question waits for the program to start.
  await again(signer)
  folder.turn('odd-only')
  const outcomes = await Promise.allSettled(Array.from({ length: 2 }, () => signer.ask(question)))
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  assert.equal(signer.isRunning(), true)
  folder.turn('ok')
  // The late answer is nobody's any more, and no nonsense either.
  await new Promise((resolve) => setTimeout(resolve, 50))
  await again(signer)
  assert.deepEqual(logged, [])
})

test('a program that cannot be run is tried again, and not asked meanwhile', async () => {
  const { signer, logged } = start(400, ['./there-is-no-such-program'])
  await assert.rejects(signer.ask(question), { message: /cannot be run \(ENOENT\)/ })
  assert.equal(signer.isRunning(), false)
  while (logged.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(logged.slice(0, 3), ['signer.ended', 'signer.started-again', 'signer.ended'])
})

test('closing ends the program, and whoever waits for it is told', async () => {
  const { signer } = start()
  await signer.ask(question)
  folder.turn('hang')
  const waiting = assert.rejects(signer.ask(question), { message: /the issuer is stopping/ })
  await signer.close()
  await waiting
  assert.equal(signer.isRunning(), false)
  await signer.close()
  folder.turn('ok')
})

function start(
  timeoutMs = patienceMs,
  command = folder.command,
): { signer: SignerProcess; logged: string[] } {
  const logged: string[] = []
  const line = (event: string): void => void logged.push(event)
  const log = { debug: line, info: line, warn: line, error: line }
  const signer = startSignerProcess({ command, timeoutMs, log, restartMs: 20 })
  after(() => signer.close())
  return { signer, logged }
}

/** A program takes its time to start. */
async function again(signer: SignerProcess): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await signer.ask(question)
      return
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Nobody waits for it to be over: a program may take its time on a busy machine. */
const patienceMs = 20_000
