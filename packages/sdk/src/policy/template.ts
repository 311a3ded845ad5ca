import { Problem } from '../core/problem.ts'
import { canonicalPath } from './path.ts'

/** A route's template, read. */
export type Template = {
  readonly segments: readonly TemplateSegment[]
  /** Whether a match has parameters. */
  readonly hasParams: boolean
}

export type TemplateSegment =
  /** Decoded, as a canonical path's segments are. */
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'tail' }

/**
 * Reads a route template: literal segments, `{name}` for one segment, `{**}` at the end for the rest.
 *
 * A literal obeys the rules of {@link canonicalPath}: what no request can match is refused here.
 *
 * @throws Problem `route-invalid`, naming the template and what to write instead.
 * @example
 * readTemplate('/invoices/{id}').segments // [{ kind: 'literal', text: 'invoices' }, { kind: 'name', name: 'id' }]
 */
export function readTemplate(template: string): Template {
  if (!template.startsWith('/'))
    throw invalid(template, 'a template starts with a slash', `write /${template}`)
  const texts = template.slice(1).split('/')
  const segments = texts.map((text, index) => readSegment(template, text, index === texts.length - 1))
  const names = segments.flatMap((segment) => (segment.kind === 'name' ? [segment.name] : []))
  const repeated = names.find((name, index) => names.indexOf(name) !== index)
  if (repeated !== undefined) {
    throw invalid(
      template,
      `the name {${repeated}} stands there twice`,
      'give each parameter a name of its own',
    )
  }
  return { segments, hasParams: segments.some((segment) => segment.kind !== 'literal') }
}

/**
 * Reads a route's method.
 *
 * @param template for the message.
 * @throws Problem `route-invalid` unless it is an upper-case method or `*`; TRACE and CONNECT cannot be routed.
 */
export function readMethod(method: string, template: string): string {
  const isMethod = method === '*' || (method !== '' && onlyHas(method, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ-'))
  if (!isMethod) {
    throw invalid(template, `"${method}" is no method`, 'write it in upper case, or * for the usual ones')
  }
  if (method === 'TRACE' || method === 'CONNECT') {
    throw invalid(template, `${method} cannot be routed`, 'take the route out')
  }
  return method
}

function readSegment(template: string, text: string, isLast: boolean): TemplateSegment {
  if (text === '{**}') {
    if (isLast) return { kind: 'tail' }
    throw invalid(template, '{**} stands for the rest of the path', 'move it to the end')
  }
  if (text.startsWith('{') && text.endsWith('}')) return readName(template, text.slice(1, -1))
  if (text.includes('{') || text.includes('}')) {
    throw invalid(template, `"${text}": a parameter is a whole segment`, 'put a slash before and after it')
  }
  // Literal by the RFC, but whoever writes these means something else, and would wait for matches in vain.
  if (text.includes('*')) {
    throw invalid(template, `"${text}": no wildcards`, 'write {name} for one segment, {**} for the rest')
  }
  if (text.startsWith(':')) throw invalid(template, `"${text}" is no parameter`, `write {${text.slice(1)}}`)
  if (text.includes('?')) {
    throw invalid(template, 'a template has no query', 'take off the question mark and what follows')
  }
  if (text === '' && !isLast) throw invalid(template, 'an empty segment ("//")', 'write a single slash')
  const path = canonicalPath('/' + text)
  if ('reason' in path) throw invalid(template, path.detail, 'no request can match this')
  return { kind: 'literal', text: path.segments[0]! }
}

function readName(template: string, name: string): TemplateSegment {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_'
  if (name === '' || !onlyHas(name[0]!, letters) || !onlyHas(name, letters + '0123456789')) {
    throw invalid(template, `{${name}}: not a name`, 'use letters, digits and _, beginning with a letter')
  }
  if (name === '__proto__') throw invalid(template, `{${name}}: not a name`, 'choose another one')
  return { kind: 'name', name }
}

function onlyHas(text: string, characters: string): boolean {
  for (const character of text) if (!characters.includes(character)) return false
  return true
}

function invalid(template: string, message: string, next: string): Problem {
  return new Problem('route-invalid', `${template}: ${message}`, { next })
}
