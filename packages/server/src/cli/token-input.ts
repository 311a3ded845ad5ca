import { Problem } from '@countersign/sdk/core'
import type { Context } from './context.ts'

/**
 * A token as a command takes it: itself, `-` for standard input, `env` for `$COUNTERSIGN_TOKEN`. A leading `Bearer ` is
 * taken off, since that is how tokens are copied.
 *
 * @param given undefined: standard input, when something is piped into it
 * @throws Problem `usage` when there is none
 */
export async function readToken(given: string | undefined, { terminal, env }: Context): Promise<string> {
  const text = await read()
  const token = text.trim().replace(/^Bearer +/i, '')
  if (token === '') throw new Problem('usage', 'there is no token', { next: howToGive })
  if (/\s/.test(token))
    throw new Problem('usage', 'expected one token, got several words', { next: howToGive })
  return token

  async function read(): Promise<string> {
    if (given === 'env') return env['COUNTERSIGN_TOKEN'] ?? ''
    if (given !== undefined && given !== '-') return given
    // Waiting for somebody who does not know that they are waited for is a hanging command.
    if (given === undefined && terminal.inputIsTerminal) return ''
    return terminal.readInput()
  }
}

const howToGive = 'give it as an argument, pipe it in, or say env and set COUNTERSIGN_TOKEN'
