import { visible } from '../visible.ts'

/** One thing wrong in a trust file: where, what was expected, and what to do next. Never holds a secret. */
export type Mistake = {
  /** Path of the value, such as `services.billing.upstream`; empty for the file as a whole. */
  readonly path: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** The environment variable the value came from, when it overrides the file. */
  readonly variable?: string
  readonly message: string
  readonly next?: string
}

/**
 * All mistakes as text for people: one `file:line:column: path: message` each, the next step below it. Terminals and
 * editors turn the beginning into a link.
 *
 * @example
 * countersign.yaml:14:15: services.billing.upstream: expected http:// or https://, got "orders:8080"
 *     next: write http://orders:8080
 */
export function mistakesText(file: string, mistakes: readonly Mistake[]): string {
  return inFileOrder(mistakes)
    .map((mistake) => mistakeText(file, mistake))
    .join('\n')
}

export function inFileOrder(mistakes: readonly Mistake[]): Mistake[] {
  return [...mistakes].sort((a, b) => a.line - b.line || a.column - b.column)
}

function mistakeText(file: string, mistake: Mistake): string {
  const where = mistake.variable ?? `${file}:${mistake.line}:${mistake.column}`
  const path = mistake.path === '' ? '' : `${mistake.path}: `
  const next = mistake.next === undefined ? '' : `\n    next: ${mistake.next}`
  return `${where}: ${path}${mistake.message}${next}`
}

export type PathStep = string | number

/** `['services', 'billing', 'routes', 'GET /x', 'roles', 0]` as `services.billing.routes."GET /x".roles[0]`. */
export function pathText(path: readonly PathStep[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += `${text === '' ? '' : '.'}${isPlainName(step) ? step : quoted(step)}`
  }
  return text
}

function quoted(step: string): string {
  return visible(JSON.stringify(step.length > 80 ? `${step.slice(0, 79)}…` : step))
}

function isPlainName(step: string): boolean {
  return /^[\w-]{1,80}$/.test(step)
}
