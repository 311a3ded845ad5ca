import { spawn } from 'node:child_process'
import { root } from './demo-process.ts'

/** One bash in which commands run one after the other, as in a person's terminal: variables stay. */
export type BashSession = { run(command: string): Promise<{ output: string; code: number }>; close(): void }

export function openBash(env: Record<string, string | undefined> = process.env): BashSession {
  const child = spawn('bash', ['--noprofile', '--norc'], {
    cwd: root,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let received = ''
  let wake: () => void = () => {}
  // One stream, so that what a command says on either is seen in its order and before its end.
  child.stdin.write('exec 2>&1\n')
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    received += text
    wake()
  })
  child.once('close', () => wake())
  let turn = 0
  return {
    async run(command) {
      const mark = `--- end of command ${(turn += 1)} with `
      received = ''
      child.stdin.write(`${command}\nprintf '\\n%s%d ---\\n' '${mark}' "$?"\n`)
      for (;;) {
        const end = new RegExp(`\\n${mark}(\\d+) ---\\n`).exec(received)
        if (end !== null) return { output: received.slice(0, end.index), code: Number(end[1]) }
        if (child.exitCode !== null) throw new Error(`bash ended in the middle of: ${command}\n${received}`)
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    close() {
      child.stdin.end()
      child.kill()
    },
  }
}
