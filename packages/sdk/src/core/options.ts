import { Problem } from './problem.ts'
import { nearest } from './nearest.ts'

/**
 * Refuses an option that `where` does not know: a misspelt security option must not be silently ignored.
 *
 * @throws Problem `option-unknown`, naming the nearest known option; `option-invalid` for no options at all.
 */
export function refuseUnknownOptions(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new Problem('option-invalid', `${where}: expected an object of options`)
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw new Problem('option-unknown', `${where}: unknown option "${name}"`, {
      next: near === undefined ? `known options: ${known.join(', ')}` : `did you mean "${near}"?`,
    })
  }
}
