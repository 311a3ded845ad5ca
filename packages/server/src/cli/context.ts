import type { Terminal } from './terminal.ts'

/** What every command works with. */
export type Context = {
  readonly terminal: Terminal
  readonly env: NodeJS.ProcessEnv
  /** What relative paths are relative to. */
  readonly cwd: string
  /** `--json`: one document on standard output, in a shape that stays. */
  readonly json: boolean
  /** `--config`: the trust file; undefined: look for it. */
  readonly config: string | undefined
}
