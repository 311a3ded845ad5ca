import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'

const script = `
  import { untilStopped } from '${new URL('./until-stopped.ts', import.meta.url).href}'
  const alive = setInterval(() => {}, 1000)
  const stopped = untilStopped(async (signal) => {
    console.log(signal)
    if (process.argv[1] === 'hang') await new Promise(() => {})
    clearInterval(alive)
  })
  console.log('ready')
  await stopped
  console.log('done')
`

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops in good order`, async () => {
    const { printed, ended } = start('')
    await printed('ready')
    assert.deepEqual(await ended(signal), { code: 0, signal: null, text: `ready\n${signal}\ndone\n` })
  })
}

test('a second signal ends at once', async () => {
  const { printed, ended, kill } = start('hang')
  await printed('ready')
  kill('SIGTERM')
  await printed('SIGTERM')
  assert.deepEqual(await ended('SIGINT'), { code: null, signal: 'SIGINT', text: 'ready\nSIGTERM\n' })
})

function start(word: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, word], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  let wake = (): void => undefined
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    wake()
  })
  const end = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async printed(expected: string) {
      while (!text.includes(expected)) await new Promise<void>((resolve) => (wake = resolve))
    },
    async ended(signal: NodeJS.Signals) {
      child.kill(signal)
      return { ...(await end), text }
    },
  }
}
