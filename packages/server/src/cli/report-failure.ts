import { isProblem } from '@countersign/sdk/core'
import { mistakesText } from '../trust/mistake.ts'
import { exitCodeOf } from './exit-codes.ts'
import { TrustMistakes } from './find-trust.ts'
import type { Terminal } from './terminal.ts'

/**
 * Says what went wrong and what to do next, without a stack trace, and returns the exit code.
 *
 * With `json`, the same stands on standard output as `{"error":{"code":…,"message":…,"next":…}}`.
 */
export function reportFailure(error: unknown, terminal: Terminal, json: boolean): number {
  const { code, message, next } = described(error)
  terminal.say(`countersign: ${message}`)
  if (next !== undefined) terminal.say(`  next: ${next}`)
  if (error instanceof TrustMistakes) terminal.say(mistakesText(error.file.name, error.mistakes))
  if (json) {
    const mistakes = error instanceof TrustMistakes ? { file: error.file.name, mistakes: error.mistakes } : {}
    terminal.print(
      JSON.stringify(
        { error: { code, message, ...(next === undefined ? {} : { next }), ...mistakes } },
        null,
        2,
      ),
    )
  }
  return exitCodeOf(error)
}

function described(error: unknown): { code: string; message: string; next: string | undefined } {
  if (isProblem(error)) return { code: error.code, message: error.message, next: error.next }
  const message =
    error instanceof Error ? `${error.name}: ${error.message}` : 'something was thrown that is no error'
  return {
    code: 'defect',
    message: `a defect in countersign: ${message}`,
    next: 'please report it, with the command and this line',
  }
}
