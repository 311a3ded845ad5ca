import type { Reading } from './reading.ts'
import { duration } from './scalars.ts'
import { fields, list, onlyTrue, optional, required, text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { ExternalKeySettings } from './trust.ts'

/** `issuer.keys.external`: keys that are held by a program of the operator's. */
export const externalKeysSection = fields({
  command: required(
    list(commandWord(), { what: 'the program and its arguments' }),
    'The program that holds the keys, and its arguments, each for itself; no shell reads them.',
  ),
  timeout: optional(duration({ min: '1s', max: '30s' }), 'How long one of its answers may take; 2s.'),
  leave: optional(onlyTrue(), 'New keys are made by the issuer again; the way back out.'),
})

export type ExternalKeysDraft = typeof externalKeysSection extends Shape<infer T> ? T : never

export function resolveExternalKeys(
  draft: ExternalKeysDraft | undefined,
  reading: Reading,
): { readonly external?: ExternalKeySettings } {
  const [program, ...args] = draft?.command ?? []
  if (draft === undefined || program === undefined) return {}
  // A name alone is looked for where programs are; a path is one from the trust file, as everywhere in it.
  const found = program.includes('/') ? reading.resolvePath(program) : program
  const { timeout = 2, leave = false } = draft
  return { external: { command: [found, ...args], timeoutMs: timeout * 1000, leave } }
}

function commandWord(): Shape<string> {
  return text(
    (value) =>
      value === '' || value.length > 4096 || value.includes('\0')
        ? { message: 'expected a program or an argument' }
        : { value },
    { minLength: 1 },
    // Whoever sets a variable must not thereby choose what is run.
    { overridable: false },
  )
}
