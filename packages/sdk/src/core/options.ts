import { Problem } from './problem.ts'
import { nearest } from './nearest.ts'

/**
 * Refuses an option that `where` does not know: a misspelt security option must not be silently ignored.
 *
 * @throws Problem `option-unknown`, naming the nearest known option.
 */
export function refuseUnknownOptions(where: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw new Problem('option-unknown', `${where}: unknown option "${name}"`, {
      next: near === undefined ? `known options: ${known.join(', ')}` : `did you mean "${near}"?`,
    })
  }
}
