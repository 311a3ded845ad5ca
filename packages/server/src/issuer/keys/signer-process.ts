import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { parseStrictJson, Problem } from '@countersign/sdk/core'
import type { StrictJson } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'

/**
 * A program of the operator's that holds keys (docs/signer.md): one JSON object a line goes to its standard input, one comes back
 * from its standard output for each, in any order, with the same `id`.
 */
export type SignerProcess = {
  /**
   * The program's answer, without its `id`.
   *
   * @throws Problem `signer-unavailable` when there is none in time, or the program says that it could not.
   */
  ask(question: Readonly<Record<string, string>>): Promise<StrictJson>
  /** Whether the program runs and has not just been given up; it is started again by itself. */
  isRunning(): boolean
  /** Ends the program. */
  close(): Promise<void>
}

export type SignerProcessOptions = {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[]
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number
  readonly log: Log
  /** How long to wait before the program is started again, in milliseconds; twice as long each time, up to 30 s. */
  readonly restartMs?: number
}

/**
 * Starts the program, and starts it again when it ends, says what makes no sense, or says nothing any more.
 *
 * @example
 * const signer = startSignerProcess({ command: ['./kms-signer'], timeoutMs: 2000, log })
 * const { keys } = await signer.ask({ method: 'keys' })
 */
export function startSignerProcess(options: SignerProcessOptions): SignerProcess {
  const { command, timeoutMs, log, restartMs = 1000 } = options
  const waiting = new Map<number, Waiting>()
  let child: Child | undefined
  let restartTimer: NodeJS.Timeout | undefined
  let nextId = 1
  let pauseMs = restartMs
  /** When the program last said something; of one that has just been started, until when it may say nothing. */
  let lastHeardMs = 0
  let closed = false

  const start = (): void => {
    const [program = '', ...args] = command
    // What it says on its standard error is for whoever runs both; our log is not the place for words of others.
    const started = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    child = started
    lastHeardMs = performance.now() + startMs
    let text = ''
    started.once('error', (error: NodeJS.ErrnoException) =>
      giveUp(started, `it cannot be run (${error.code})`),
    )
    started.once('exit', (code, signal) => giveUp(started, `it ended (${signal ?? `exit code ${code}`})`))
    // It may end while something is on its way to it.
    started.stdin.on('error', () => undefined)
    started.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      for (let end = text.indexOf('\n'); end !== -1 && child === started; end = text.indexOf('\n')) {
        hear(started, text.slice(0, end))
        text = text.slice(end + 1)
      }
      if (text.length > longestLine) giveUp(started, 'a line of its answer is too long')
    })
  }

  const hear = (from: Child, line: string): void => {
    lastHeardMs = performance.now()
    const answer = parseStrictJson(line)
    const id = typeof answer === 'string' ? undefined : answer['id']
    if (
      typeof answer === 'string' ||
      typeof id !== 'number' ||
      !Number.isSafeInteger(id) ||
      id < 1 ||
      id >= nextId
    ) {
      giveUp(from, 'it answered what makes no sense')
      return
    }
    pauseMs = restartMs
    const asked = waiting.get(id)
    // Too late: whoever asked has been told so.
    if (asked === undefined) return
    const { error } = answer
    if (error === undefined) asked.resolve(answer)
    else asked.reject(unavailable(`it says: ${typeof error === 'string' ? plainText(error) : 'error'}`))
  }

  const giveUp = (from: Child, why: string): void => {
    if (child !== from) return
    child = undefined
    from.kill('SIGKILL')
    if (closed) return
    log.error('signer.ended', { message: why })
    for (const { reject } of waiting.values()) reject(unavailable(why))
    restartTimer = setTimeout(() => {
      log.info('signer.started-again')
      start()
    }, pauseMs)
    restartTimer.unref()
    pauseMs = Math.min(2 * pauseMs, longestPauseMs)
  }

  start()
  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        const asked = child
        if (asked === undefined) return reject(unavailable('it is not running'))
        if (waiting.size >= mostWaiting)
          return reject(unavailable(`${mostWaiting} requests are waiting for it`))
        const id = nextId++
        const askedMs = performance.now()
        const settled = <Value>(settle: (value: Value) => void) => {
          return (value: Value): void => {
            clearTimeout(timer)
            waiting.delete(id)
            settle(value)
          }
        }
        const timer = setTimeout(() => {
          waiting.get(id)?.reject(unavailable(`it gave no answer within ${timeoutMs} ms`))
          // One slow answer among others is one slow answer; silence is a program that hangs.
          if (lastHeardMs < askedMs) giveUp(asked, 'it gave no answer to anything any more')
        }, timeoutMs)
        waiting.set(id, { resolve: settled(resolve), reject: settled(reject) })
        asked.stdin.write(`${JSON.stringify({ id, ...question })}\n`)
      }),
    isRunning: () => child !== undefined,
    async close() {
      closed = true
      clearTimeout(restartTimer)
      for (const { reject } of waiting.values()) reject(unavailable('the issuer is stopping'))
      const last = child
      if (last === undefined || last.exitCode !== null || last.signalCode !== null) return
      const ended = new Promise((resolve) => last.once('exit', resolve).once('error', resolve))
      last.stdin.end()
      last.kill()
      const impatient = setTimeout(() => last.kill('SIGKILL'), 1000)
      await ended
      clearTimeout(impatient)
    },
  }
}

type Child = ChildProcessByStdio<Writable, Readable, null>
type Waiting = { resolve(answer: StrictJson): void; reject(problem: Problem): void }

function unavailable(why: string): Problem {
  return new Problem('signer-unavailable', `the external signer: ${why}`, {
    next: 'look at the program in issuer.keys.external, and at what holds its keys',
    retryAfterSeconds: 2,
  })
}

/** Its words get into our log: short, and on one line. */
function plainText(words: string): string {
  return words.slice(0, 200).replaceAll(/[^\x20-\x7e]/g, '?')
}

const mostWaiting = 1000
const longestLine = 256 * 1024
const longestPauseMs = 30_000
/** Opening a token or a session may take longer than any signature. */
const startMs = 30_000
