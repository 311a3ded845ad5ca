import { kindText, mistake } from './reading.ts'
import { unreadableFile } from './secret-reference.ts'
import { fields, required, text } from './shape.ts'
import type { Shape } from './shape.ts'

/**
 * `{ file: path }`: a PEM file that one part reads, and reads anew when it changes. The absolute path; that the file is
 * there is checked where that part's files are expected to be.
 */
export function fileReference(part: 'issuer' | 'gateway' = 'gateway'): Shape<string> {
  return {
    schema: reference.schema,
    read(spot, reading) {
      if (spot.tree.kind !== 'map') {
        return mistake(reading, spot, `expected { file: path }, got ${kindText(spot.tree)}`)
      }
      const path = reference.read(spot, reading)?.file
      if (path === undefined) return undefined
      if (reading.secretsFor === 'all' || reading.secretsFor === part) {
        try {
          reading.readFile(path)
        } catch (error) {
          return unreadableFile(path, error, spot, reading)
        }
      }
      return reading.resolvePath(path)
    },
  }
}

const reference = fields({
  file: required(
    text(
      (value) =>
        value === '' || value.length > 4096 || value.includes('\0') || value.includes('\n')
          ? { message: 'expected the path of a file' }
          : { value },
      { minLength: 1 },
      { overridable: false },
    ),
    'Path of the file, relative to the trust file.',
  ),
})
