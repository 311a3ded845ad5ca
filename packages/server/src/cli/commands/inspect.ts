import { inspectToken } from '@countersign/sdk/jwt'
import { visible } from '../../visible.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { readToken } from '../token-input.ts'

/**
 * Shows what is written in a token and everything that is odd about it. Nothing is verified, and that is said. Ends with 5
 * for a text that is no token at all.
 *
 * JSON: `{ "verified": false, "header", "claims", "signatureBytes", "problems": […] }`.
 */
export async function run(context: Context, _options: object, given?: string): Promise<number> {
  const { terminal, json } = context
  const { paint } = terminal
  const { header, claims, signatureBytes, problems } = inspectToken(await readToken(given, context))
  if (json) {
    terminal.print(JSON.stringify({ verified: false, header, claims, signatureBytes, problems }, null, 2))
  } else {
    const nowSeconds = Math.floor(Date.now() / 1000)
    for (const [name, part] of [
      ['header', header],
      ['claims', claims],
    ] as const) {
      terminal.print(paint('strong', name))
      if (part === undefined) terminal.print('  unreadable')
      for (const [key, value] of Object.entries(part ?? {}))
        terminal.print(`  ${visible(key).padEnd(10)} ${shown(key, value, nowSeconds)}`)
    }
    terminal.print(
      `${paint('strong', 'signature')} ${signatureBytes === undefined ? 'unreadable' : `${signatureBytes} bytes`}`,
    )
    for (const problem of problems) terminal.print(`${paint('bad', 'odd')} ${visible(problem)}`)
  }
  terminal.say('nothing of this is verified: anybody could have written it; `countersign verify` checks it')
  return header === undefined && claims === undefined ? exitCodes.denied : exitCodes.ok
}

/** As JSON, which leaves no control character for a terminal to follow; times also as people read them. */
function shown(key: string, value: unknown, nowSeconds: number): string {
  const text = visible(JSON.stringify(value))
  if (!timeClaims.includes(key) || typeof value !== 'number' || Math.abs(value) > maxSeconds) return text
  return `${text} (${new Date(value * 1000).toISOString()}, ${distance(value - nowSeconds)})`
}

function distance(seconds: number): string {
  const size = Math.abs(Math.round(seconds))
  const [count, unit] =
    size < 120
      ? [size, 's']
      : size < 7200
        ? [Math.round(size / 60), 'min']
        : size < 172_800
          ? [Math.round(size / 3600), 'h']
          : [Math.round(size / 86_400), 'd']
  return seconds < 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`
}

const timeClaims = ['exp', 'iat', 'nbf', 'auth_time']
/** What a Date can hold. */
const maxSeconds = 8.64e12
