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
 * Reads the body of a token request as strictly as the real issuer does (RFC 6749 §3.2), so that no client passes its
 * tests with what is refused later: nothing stands twice, and what has no value is left out.
 *
 * @param contentType the request's `Content-Type`.
 * @returns undefined for an invalid request.
 */
export function readForm(contentType: string | undefined, body: Buffer): Form | undefined {
  if (!isFormType(contentType) || !isUtf8(body)) return undefined
  const parameters = body.toString('utf8').split('&').filter(Boolean)
  if (parameters.length > maxParameters) return undefined
  const values = new Map<string, string>()
  const lists = { audience: [] as string[], resource: [] as string[] }
  for (const parameter of parameters) {
    const [encodedName = '', ...rest] = parameter.split('=')
    const name = formDecode(encodedName)
    const value = formDecode(rest.join('='))
    if (name === undefined || value === undefined || values.has(name)) return undefined
    if (name !== 'audience' && name !== 'resource') values.set(name, value)
    else if (value !== '') lists[name].push(value)
  }
  // Only now, so that `scope=&scope=x` counts as twice.
  for (const [name, value] of values) if (value === '') values.delete(name)
  return { values, audiences: lists.audience, resources: lists.resource }
}

/** One name or value of a form (RFC 6749 appendix B); undefined when its percent-encoding is broken. */
export function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** The names that are asked for, each once, or all that there are; undefined for one too many, or an empty one. */
export function readNames(
  asked: string | undefined,
  allowed: readonly string[],
): readonly string[] | undefined {
  if (asked === undefined) return allowed
  // RFC 6749 §3.3: one blank between two.
  const names = new Set(asked.split(' '))
  for (const name of names) if (name === '' || !allowed.includes(name)) return undefined
  return [...names]
}

function isFormType(contentType = ''): boolean {
  const [type, ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  // Some clients name the charset, though the type has none.
  return type === formType && parameters.every((parameter) => utf8Charsets.includes(parameter))
}

const formType = 'application/x-www-form-urlencoded'
const utf8Charsets = ['', 'charset=utf-8', 'charset="utf-8"', 'charset=utf8']
const maxParameters = 50
