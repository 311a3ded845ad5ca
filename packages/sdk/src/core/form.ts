import { isUtf8 } from 'node:buffer'

/** The parameters of a token request. */
export type Form = {
  /** Parameters that may stand once, by name. */
  readonly values: ReadonlyMap<string, string>
  /** `audience`, in order; RFC 8693 §2.1 lets it be repeated. */
  readonly audiences: readonly string[]
  /** `resource`, in order; RFC 8707 §2 lets it be repeated. */
  readonly resources: readonly string[]
}

/**
 * Reads an `application/x-www-form-urlencoded` body by the rules of RFC 6749 §3.2: a parameter without a value is
 * omitted, unknown ones are kept for nobody, and a repeated one refuses the request, since two readers could take
 * different ones.
 *
 * @param contentType the request's `Content-Type` header.
 * @returns a text that says what is wrong, for the client to read.
 * @example
 * const form = readForm(headers['content-type'], body)
 * if (typeof form === 'string') return form
 */
export function readForm(contentType: string | undefined, body: Buffer): Form | string {
  if (!isFormType(contentType)) {
    return 'send the parameters as application/x-www-form-urlencoded'
  }
  if (!isUtf8(body)) return 'the body is not UTF-8'
  const text = body.toString('utf8')

  const values = new Map<string, string>()
  const audiences: string[] = []
  const resources: string[] = []
  let count = 0
  for (let start = 0; start < text.length;) {
    let end = text.indexOf('&', start)
    if (end === -1) end = text.length
    if (end === start) {
      start = end + 1
      continue
    }
    if (++count > maxParameters) return `more than ${maxParameters} parameters`
    const equals = text.indexOf('=', start)
    const split = equals === -1 || equals > end ? end : equals
    const name = formDecode(text.slice(start, split))
    const value = formDecode(text.slice(split + 1, end))
    start = end + 1
    if (name === undefined || value === undefined) {
      return 'a parameter has a broken percent-encoding'
    }
    if (name === 'audience' || name === 'resource') {
      if (value !== '') (name === 'audience' ? audiences : resources).push(value)
    } else if (values.has(name)) {
      return `parameter sent twice: ${name.slice(0, 64)}`
    } else {
      // Kept although empty, so that `scope=&scope=x` counts as twice.
      values.set(name, value)
    }
  }
  for (const [name, value] of values) if (value === '') values.delete(name)
  return { values, audiences, resources }
}

/**
 * One name or value of a form (RFC 6749 appendix B): `+` is a space, `%XX` are UTF-8 bytes.
 *
 * @returns undefined when the percent-encoding is broken.
 */
export function formDecode(text: string): string | undefined {
  if (!text.includes('%')) return text.includes('+') ? text.replaceAll('+', ' ') : text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function isFormType(contentType: string | undefined): boolean {
  if (contentType === formType) return true
  if (contentType === undefined) return false
  const [type, ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  if (type !== formType) return false
  // Some clients name the charset, though the type has none; anything but UTF-8 would be read wrongly.
  return parameters.every((parameter) => parameter === '' || utf8Charsets.includes(parameter))
}

const formType = 'application/x-www-form-urlencoded'
const utf8Charsets = ['charset=utf-8', 'charset="utf-8"', 'charset=utf8']
const maxParameters = 50
