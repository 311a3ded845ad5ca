import { spawn } from 'node:child_process'
import { root } from './demo-process.ts'

/** One bash in which commands run one after the other, as in a person's terminal: variables stay. */
export type BashSession = { run(command: string): Promise<{ output: string; code: number }>; close(): void }

export function openBash(env: Record<string, string | undefined> = process.env): BashSession {
  const child = spawn('bash', ['--noprofile', '--norc'], { cwd: root, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let received = ''
  let wake: () => void = () => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      received += text
      wake()
    })
  }
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
