import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { Problem } from '@countersign/sdk/core'

/**
 * The environment with the variables of a file (`NAME=value` lines) beneath it: what is set already stays.
 *
 * @throws Problem `usage` when the file cannot be read
 */
export function loadEnvironment(file: string, cwd: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  try {
    return { ...parseEnv(readFileSync(resolve(cwd, file), 'utf8')), ...env }
  } catch (cause) {
    throw new Problem('usage', `--env: cannot read ${file}`, { next: 'check the path', cause })
  }
}
