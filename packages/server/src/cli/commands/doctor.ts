import { readFileSync } from 'node:fs'
import { mistakesText } from '../../trust/mistake.ts'
import { readTrust } from '../../trust/read.ts'
import type { Trust } from '../../trust/trust.ts'
import type { Context } from '../context.ts'
import { checkFiles } from '../doctor/check-files.ts'
import { checkIssuers } from '../doctor/check-issuers.ts'
import { checkListeners } from '../doctor/check-listeners.ts'
import type { Part } from '../doctor/check-listeners.ts'
import { checkStore } from '../doctor/check-store.ts'
import { checkUpstreams } from '../doctor/check-upstreams.ts'
import { fail, pass, warn } from '../doctor/finding.ts'
import type { Finding } from '../doctor/finding.ts'
import { exitCodes } from '../exit-codes.ts'
import { findTrustFile, TrustMistakes, trustText } from '../find-trust.ts'
import type { TrustFile } from '../find-trust.ts'
import type { Terminal } from '../terminal.ts'

/**
 * Looks at an installation, running or not: what is wrong, what is worth a look, and the next step for each. Changes nothing.
 *
 * JSON: `{ "file", "ok", "checks": [{ "check", "verdict": "pass" | "warn" | "fail", "text", "next" }] }`.
 *
 * @returns 5 when something has failed.
 */
export async function run(context: Context, { only }: { only?: Part }): Promise<number> {
  const { terminal, json, cwd } = context
  const file = findTrustFile(context)
  const { trust, files, findings, isIssuerWhole } = readAll(file, context, only)
  const checked = await Promise.all([
    only === 'gateway' || trust.issuer === undefined || !isIssuerWhole ? [] : checkStore(trust.issuer),
    checkIssuers(trust),
    checkListeners(trust, only),
    only === 'issuer' || trust.gateway === undefined ? [] : checkUpstreams(trust),
  ])
  const all = [
    checkNode(trust),
    ...findings,
    ...checkFiles(trust, files, { cwd, nowMs: Date.now() }),
    ...checked.flat(),
  ]
  const failures = all.filter(({ verdict }) => verdict === 'fail').length
  if (json) {
    terminal.print(JSON.stringify({ file: file.name, ok: failures === 0, checks: all }, null, 2))
  } else {
    const width = Math.max(18, ...all.map(({ check }) => check.length))
    for (const finding of all) printFinding(finding, width, terminal)
    terminal.say(summary(all, failures))
  }
  return failures === 0 ? exitCodes.ok : exitCodes.denied
}

/**
 * The trust file with its secrets, or without those that are missing: then the rest is looked at all the same.
 *
 * @throws TrustMistakes for a file that says what cannot be
 */
function readAll(
  file: TrustFile,
  { env, cwd }: Context,
  only: Part | undefined,
): {
  readonly trust: Trust
  readonly files: readonly string[]
  readonly findings: readonly Finding[]
  /** Without its secrets nothing could be said of its store. */
  readonly isIssuerWhole: boolean
} {
  const text = trustText(file)
  const files: string[] = []
  const readFile = (path: string): string => {
    const content = readFileSync(path, 'utf8')
    files.push(path)
    return content
  }
  const bare = readTrust(text, { file: file.path, env, readFile, secretsFor: 'none' })
  if (bare.kind === 'mistakes') throw new TrustMistakes(file, bare.mistakes, { cwd })
  const whole = readTrust(text, { file: file.path, env, readFile, secretsFor: only ?? 'all' })
  const warnings = bare.warnings.map((mistake) => {
    return warn(
      'trust file',
      mistakesText(file.name, [{ ...mistake, next: '' }]).split('\n')[0]!,
      mistake.next ?? 'is it meant?',
    )
  })
  if (whole.kind === 'trust')
    return {
      trust: whole.trust,
      files,
      findings: [pass('trust file', `${file.name} is read`), ...warnings],
      isIssuerWhole: true,
    }
  const { next: hint } = new TrustMistakes(file, whole.mistakes, { cwd })
  const missing = whole.mistakes.map(({ path, message, next }) =>
    fail('secrets', `${path}: ${message}`, hint ?? next ?? 'correct it'),
  )
  const isIssuerWhole = !whole.mistakes.some(({ path }) => path.startsWith('issuer.'))
  return { trust: bare.trust, files, findings: [...warnings, ...missing], isIssuerWhole }
}

function checkNode({ services }: Trust): Finding {
  const { node } = process.versions
  const [major = 0, minor = 0] = node.split('.').map(Number)
  const tunnels = [...services.values()].some(({ websocket }) => websocket !== undefined)
  if (tunnels && major === 24 && minor < 9) {
    return fail('node', `Node.js ${node} cannot let WebSockets through`, 'take Node.js 24.9 or newer')
  }
  return pass('node', `Node.js ${node}`)
}

function printFinding(
  { check, verdict, text, next }: Finding,
  width: number,
  { paint, print }: Terminal,
): void {
  print(`${paint(styles[verdict], words[verdict])} ${check.padEnd(width)} ${text}`)
  if (next !== undefined) print(`${''.padEnd(width + 6)}next: ${next}`)
}

function summary(all: readonly Finding[], failures: number): string {
  const warnings = all.filter(({ verdict }) => verdict === 'warn').length
  const found = [
    ...(failures === 0 ? [] : [`${failures} failed`]),
    ...(warnings === 0 ? [] : [`${warnings} worth a look`]),
  ]
  return found.length === 0
    ? `all ${all.length} checks are well`
    : `of ${all.length} checks ${found.join(', ')}`
}

const words = { pass: 'pass', warn: 'warn', fail: 'FAIL' } as const
const styles = { pass: 'good', warn: 'unsure', fail: 'bad' } as const
