import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { Problem } from '@countersign/sdk/core'
import { systemCode } from '../system-code.ts'

/**
 * The environment with the variables of a file (`NAME=value` lines) beneath it: what is set already stays.
 *
 * @throws Problem `usage` when the file cannot be read
 */
export function loadEnvironment(file: string, cwd: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  try {
    return { ...parseEnv(readFileSync(resolve(cwd, file), 'utf8')), ...env }
  } catch (cause) {
    const code = systemCode(cause)
    throw new Problem('usage', `--env: cannot read ${file} (${code})`, {
      next: code === 'EACCES' ? 'let this user read it' : 'check the path',
      cause,
    })
  }
}
