import { CommanderError } from 'commander'
import { exitCodes } from './exit-codes.ts'
import { idsAsWords } from './id-arguments.ts'
import { createProgram, usageMistake } from './program.ts'
import type { Globals } from './program.ts'
import { processTerminal } from './terminal.ts'

/**
 * Runs one command line and returns its exit code. What a command needs is loaded when it runs, so `--help` starts fast.
 *
 * @example
 * process.exitCode = await main(process.argv.slice(2))
 */
export async function main(args: readonly string[]): Promise<number> {
  const terminal = processTerminal()
  let code: number = exitCodes.ok
  const program = createProgram(terminal, (result) => (code = result))
  try {
    await program.parseAsync(idsAsWords(args), { from: 'user' })
    return code
  } catch (error) {
    // Help and version were asked for and are fine; everything else commander stops at was typed wrong, and is said.
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCodes.ok
      if (args.includes('--json')) terminal.print(usageDocument(error))
      return exitCodes.usage
    }
    const { reportFailure } = await import('./report-failure.ts')
    return reportFailure(error, terminal, program.opts<Globals>().json === true)
  }
}

/** What was typed wrong, as `reportFailure` prints what failed. Commander's help in the place of a command has no words. */
function usageDocument({ code, message }: CommanderError): string {
  const mistake = usageMistake(code === 'commander.help' ? 'a command is missing' : message)
  return JSON.stringify({ error: { code: 'usage', ...mistake } }, null, 2)
}
