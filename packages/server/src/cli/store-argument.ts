import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Problem } from '@countersign/sdk/core'
import { expectedStore, hasPassword, readStore } from '../trust/store-section.ts'
import type { StoreSettings } from '../trust/trust.ts'
import type { Context } from './context.ts'

/**
 * A store as an argument names it: as the trust file does, or by `env:NAME` or `file:PATH`, where its URL is. A URL with a
 * password is refused: everybody on the machine could read it in the list of processes.
 *
 * @throws Problem `usage`, which repeats nothing of what was read from there
 */
export function readStoreArgument(
  { env, cwd }: Pick<Context, 'env' | 'cwd'>,
  argument: string,
): StoreSettings {
  if (hasPassword(argument)) {
    throw new Problem('usage', 'a password never stands in a command line, where others can read it', {
      next: 'put the URL into a variable or a file, and say env:DATABASE_URL or file:PATH',
    })
  }
  const elsewhere = readElsewhere(env, cwd, argument)
  const settings = readStore(elsewhere ?? argument)
  if ('message' in settings) {
    const what = elsewhere === undefined ? settings.message : `${argument}: expected ${expectedStore} there`
    throw new Problem('usage', what, elsewhere === undefined && settings.next ? { next: settings.next } : {})
  }
  return settings.kind === 'sqlite' ? { kind: 'sqlite', path: resolve(cwd, settings.path) } : settings
}

function readElsewhere(env: NodeJS.ProcessEnv, cwd: string, argument: string): string | undefined {
  if (argument.startsWith('file:')) return readText(resolve(cwd, argument.slice('file:'.length)), argument)
  if (!argument.startsWith('env:')) return undefined
  const name = argument.slice('env:'.length)
  const [value, file] = [env[name], env[`${name}_FILE`]]
  if (value !== undefined && value !== '') return value
  if (file !== undefined) return readText(resolve(cwd, file), argument)
  throw new Problem('usage', `${argument}: the environment variable is not set`, {
    next: 'check its name, or give a file of variables with --env',
  })
}

function readText(path: string, argument: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new Problem('usage', `${argument}: the file cannot be read`, { next: 'check the path', cause })
  }
}
