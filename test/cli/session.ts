import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The command as users run it. */
export const bin = fileURLToPath(new URL('../../packages/server/bin/countersign.js', import.meta.url))

export type CommandResult = { readonly stdout: string; readonly stderr: string; readonly code: number | null }

export type CommandOptions = {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** Runs one command line to its end, in an environment of its own. */
export function countersign(
  args: readonly string[],
  { cwd, env = {}, input = '' }: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code) => resolve({ stdout, stderr, code }))
    // The command may end without having read it.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/**
 * Plays the command lines of a golden file and compares what they print, line by line: `| ` is standard output, `! `
 * standard error, `= ` the exit code. With UPDATE_GOLDEN=1 the file is written anew instead, to be read before it is kept.
 *
 * @param options.names texts that differ from run to run, and what stands for them in the file, also in command lines
 * @param options.hide patterns of what differs, and what stands for it in the file
 */
export async function playSession(
  file: string,
  options: CommandOptions & {
    readonly names?: readonly (readonly [value: string, name: string])[]
    readonly hide?: readonly (readonly [pattern: RegExp, name: string])[]
  },
): Promise<void> {
  const expected = readFileSync(file, 'utf8')
  const { names = [], hide = [] } = options
  const played: string[] = []
  for (const line of expected.split('\n')) {
    if (line.startsWith('#')) played.push(...(played.length > 0 ? ['', line] : [line]))
    if (!line.startsWith('$ countersign')) continue
    if (played.length > 0 && played.at(-1)?.startsWith('#') !== true) played.push('')
    played.push(line)
    const typed = names.reduce((text, [value, name]) => text.replaceAll(name, value), line)
    const { stdout, stderr, code } = await countersign(words(typed.slice('$ countersign'.length)), options)
    for (const text of lines(stdout)) played.push(`| ${text}`.trimEnd())
    for (const text of lines(stderr)) played.push(`! ${text}`.trimEnd())
    played.push(`= ${code}`)
  }
  let found = `${played.join('\n')}\n`
  for (const [value, name] of names) found = found.replaceAll(value, name)
  for (const [pattern, name] of hide) found = found.replaceAll(pattern, name)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, found)
  compare(found, readFileSync(file, 'utf8'))
}

/** Shows where they part: a whole session in a failure is more than anybody reads. */
function compare(found: string, expected: string): void {
  if (found === expected) return
  const [foundLines, expectedLines] = [found.split('\n'), expected.split('\n')]
  const at = foundLines.findIndex((line, index) => line !== expectedLines[index])
  const around = (all: string[]): string => all.slice(Math.max(0, at - 3), at + 3).join('\n')
  assert.fail(`line ${at + 1} differs; expected:\n${around(expectedLines)}\nfound:\n${around(foundLines)}`)
}

/** Splits at blanks, except inside single quotes. */
function words(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

function lines(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}
