import { existsSync, readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { Problem } from '@countersign/sdk/core'
import type { Mistake } from '../trust/mistake.ts'
import type { SecretsFor } from '../trust/reading.ts'
import type { TrustReading } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import type { Context } from './context.ts'

/** Which file is the trust file, and who said so. */
export type TrustFile = {
  /** Absolute. */
  readonly path: string
  /** As it is shown: relative when it lies in or near the current folder. */
  readonly name: string
  readonly chosenBy: '--config' | '$COUNTERSIGN_CONFIG' | 'default'
}

/**
 * Finds the trust file: `--config`, `$COUNTERSIGN_CONFIG`, or `countersign.yaml` here.
 *
 * @throws Problem `trust-missing`
 */
export function findTrustFile({ config, env, cwd }: Pick<Context, 'config' | 'env' | 'cwd'>): TrustFile {
  const named = config ?? (env['COUNTERSIGN_CONFIG'] || undefined)
  const chosenBy = config !== undefined ? '--config' : named !== undefined ? '$COUNTERSIGN_CONFIG' : 'default'
  const path = resolve(cwd, named ?? 'countersign.yaml')
  const near = relative(cwd, path)
  const name = near.startsWith('..') ? path : near
  if (existsSync(path)) return { path, name, chosenBy }
  const next =
    chosenBy === 'default'
      ? existsSync(resolve(cwd, 'countersign.yml'))
        ? 'rename countersign.yml to countersign.yaml, or say --config countersign.yml'
        : 'write one with `countersign init`, or say where it is with --config or COUNTERSIGN_CONFIG'
      : `check the path in ${chosenBy}`
  throw new Problem('trust-missing', `there is no trust file ${name}`, { next })
}

/** Reads the trust file, with every mistake in it. @throws Problem `trust-missing` */
export async function readTrustFile(
  file: TrustFile,
  env: NodeJS.ProcessEnv,
  secretsFor: SecretsFor,
): Promise<TrustReading> {
  return readTrustText(trustText(file), file.path, env, secretsFor)
}

/** The trust file as it stands there. @throws Problem `trust-missing` */
export function trustText(file: TrustFile): string {
  try {
    return readFileSync(file.path, 'utf8')
  } catch (cause) {
    throw new Problem('trust-missing', `the trust file ${file.name} cannot be read`, {
      next: 'check that it is a file, and that this user may read it',
      cause,
    })
  }
}

/** Reads the text of a trust file, with its secrets. @param path where it stands */
export async function readTrustText(
  text: string,
  path: string,
  env: NodeJS.ProcessEnv,
  secretsFor: SecretsFor,
): Promise<TrustReading> {
  const { readTrust } = await import('../trust/read.ts')
  return readTrust(text, { file: path, env, readFile: (other) => readFileSync(other, 'utf8'), secretsFor })
}

/**
 * The trust file's content for a command that cannot do without: every mistake is said, then it ends.
 *
 * @throws TrustMistakes
 */
export async function loadTrust(
  context: Context,
  secretsFor: SecretsFor,
): Promise<{ trust: Trust; file: TrustFile; text: string; warnings: readonly Mistake[] }> {
  const file = findTrustFile(context)
  const text = trustText(file)
  const reading = await readTrustText(text, file.path, context.env, secretsFor)
  if (reading.kind === 'mistakes') throw new TrustMistakes(file, reading.mistakes, context)
  return { trust: reading.trust, file, text, warnings: reading.warnings }
}

/** A trust file that cannot be used; carries every mistake for whoever reports it. */
export class TrustMistakes extends Problem {
  readonly file: TrustFile
  readonly mistakes: readonly Mistake[]

  constructor(file: TrustFile, mistakes: readonly Mistake[], { cwd }: Pick<Context, 'cwd'>) {
    const next = environmentBeside(file, mistakes, cwd)
    super(
      'trust-invalid',
      `${file.name} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}`,
      next === undefined ? {} : { next },
    )
    this.file = file
    this.mistakes = mistakes
  }
}

/** `init` puts the secrets into a file beside the trust file; who forgets it is told. */
function environmentBeside(
  { path }: TrustFile,
  mistakes: readonly Mistake[],
  cwd: string,
): string | undefined {
  const beside = path.replace(/\.ya?ml$/, '.env')
  try {
    const names = Object.keys(parseEnv(readFileSync(beside, 'utf8')))
    const isThere = mistakes.some(({ message }) =>
      names.some((name) => message === `the environment variable ${name} is not set`),
    )
    return isThere ? `say --env ${relative(cwd, beside)}, which holds some of it` : undefined
  } catch {
    return undefined
  }
}
