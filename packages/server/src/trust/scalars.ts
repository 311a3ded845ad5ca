import { isIP } from 'node:net'
import { kindText, mistake, oneOf, shown } from './reading.ts'
import { text } from './shape.ts'
import type { KeyShape, Shape, Wrong } from './shape.ts'
import type { ListenAddress } from './trust.ts'
import { nearest } from '@countersign/sdk/core'

/** One of a few words. */
export function word<const W extends string>(words: readonly W[]): Shape<W> {
  const known: readonly string[] = words
  return text(
    (value) => {
      const found = words.find((candidate) => candidate === value)
      if (found !== undefined) return { value: found }
      const near = nearest(value, known)
      return wrong(
        `expected ${oneOf(known)}, got ${shown(value)}`,
        near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`,
      )
    },
    { enum: words },
    { expected: oneOf(known) },
  )
}

/** A span of time with its unit, in whole seconds: `30s`, `5m`, `12h`, `30d`. */
export function duration({ min, max }: { min: string; max: string }): Shape<number> {
  const least = parseDuration(min)!
  const most = parseDuration(max)!
  const expected = `a duration such as 30s, 5m, 12h or 30d`
  const shape = text(
    (value) => {
      const seconds = parseDuration(value)
      if (seconds === undefined) return wrong(`expected ${expected}, got ${shown(value)}`)
      if (seconds < least || seconds > most) return wrong(`expected ${min} to ${max}, got ${shown(value)}`)
      return { value: seconds }
    },
    { pattern: '^[1-9][0-9]{0,8}[smhd]$' },
    { expected },
  )
  return {
    ...shape,
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind !== 'scalar' || typeof tree.value !== 'number') return shape.read(spot, reading)
      return mistake(
        reading,
        spot,
        `expected ${expected}, got ${kindText(tree)}`,
        `write ${tree.value}s for seconds`,
      )
    },
  }
}

function parseDuration(value: string): number | undefined {
  const match = /^([1-9][0-9]{0,8})([smhd])$/.exec(value)
  const unit = unitSeconds[match?.[2] ?? '']
  return unit === undefined ? undefined : Number(match?.[1]) * unit
}

/** A whole number within bounds. */
export function wholeNumber({ min, max }: { min: number; max: number }): Shape<number> {
  return {
    schema: { type: 'integer', minimum: min, maximum: max },
    read(spot, reading) {
      const { tree } = spot
      const value = tree.kind === 'scalar' ? tree.value : undefined
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
      return mistake(reading, spot, `expected a whole number from ${min} to ${max}, got ${kindText(tree)}`)
    },
  }
}

/** Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:0` (0: any free port). */
export function listenAddress(): Shape<ListenAddress> {
  const expected = 'host:port such as 127.0.0.1:8080 or [::1]:8080'
  const shape = text(
    (value) => {
      const colon = value.lastIndexOf(':')
      const port = readPort(value.slice(colon + 1))
      const host = readHost(value.slice(0, Math.max(colon, 0)))
      if (colon === 0 && port !== undefined) {
        // Go's ":8080" means every interface; nothing here widens access without saying so.
        return wrong(
          `no host in ${shown(value)}`,
          `write 127.0.0.1${value}, or 0.0.0.0${value} for every interface`,
        )
      }
      if (port === undefined || host === undefined) return wrong(`expected ${expected}, got ${shown(value)}`)
      return { value: { host, port } }
    },
    {},
    { expected },
  )
  return {
    ...shape,
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind !== 'scalar' || typeof tree.value !== 'number') return shape.read(spot, reading)
      return mistake(
        reading,
        spot,
        `expected ${expected}, got ${kindText(tree)}`,
        `write 127.0.0.1:${tree.value}`,
      )
    },
  }
}

function readPort(value: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(value)) return undefined
  const port = Number(value)
  return port <= 65535 ? port : undefined
}

function readHost(value: string): string | undefined {
  if (value.startsWith('[') && value.endsWith(']')) {
    const address = value.slice(1, -1)
    return isIP(address) === 6 ? address : undefined
  }
  return isIP(value) === 4 || isHostName(value) ? value : undefined
}

/** The `aud` claim of a service: any text without spaces, compared exactly (RFC 7519 §4.1.3). */
export function audience(): Shape<string> {
  return claimText('an audience such as https://billing.acme.example')
}

/** A text compared with a claim exactly. */
export function claimText(expected: string): Shape<string> {
  return text(
    (value) => {
      if (value === '' || value.length > 512 || hasSpaceOrControl(value)) {
        return wrong(`expected ${expected}, without spaces, got ${shown(value)}`)
      }
      return { value }
    },
    { minLength: 1, maxLength: 512 },
    { expected },
  )
}

/** A role or a scope: the characters of a scope token (RFC 6749 §3.3), so that a list of them can be split again. */
export function scopeToken(what: 'role' | 'scope'): Shape<string> {
  return text(
    (value) => {
      if (!/^[!#-[\]-~]{1,128}$/.test(value)) {
        return wrong(`expected a ${what} of visible ASCII without spaces, " and \\, got ${shown(value)}`)
      }
      return { value }
    },
    { pattern: '^[!#-\\[\\]-~]{1,128}$' },
    { overridable: false, expected: `a ${what}` },
  )
}

/** The path prefix of a service at the gateway: `/`, `/billing`, `/teams/billing`. */
export function pathPrefix(): Shape<string> {
  return text(
    (value) => {
      if (value === '/') return { value }
      if (!value.startsWith('/'))
        return wrong(`expected a path such as /billing, got ${shown(value)}`, `write /${value}`)
      if (value.endsWith('/')) return wrong('a path prefix does not end in /', `write ${value.slice(0, -1)}`)
      if (!value.slice(1).split('/').every(isPlainSegment)) {
        return wrong(`expected segments of letters, digits and - . _ ~, got ${shown(value)}`)
      }
      return { value }
    },
    { pattern: '^/' },
    { expected: 'a path such as /billing' },
  )
}

/** A segment that needs no percent-encoding and cannot climb: what a prefix is compared with, byte for byte. */
export function isPlainSegment(segment: string): boolean {
  return /^[A-Za-z0-9._~-]+$/.test(segment) && segment !== '.' && segment !== '..'
}

/** A host name as it stands in the Host header: lower case, no port. */
export function hostName(): Shape<string> {
  return text(
    (value) => {
      if (isHostName(value) && value === value.toLowerCase()) return { value }
      const next = isHostName(value) ? `write ${value.toLowerCase()}` : undefined
      return wrong(`expected a host name in lower case without port, got ${shown(value)}`, next)
    },
    { format: 'hostname' },
    { expected: 'a host name such as billing.acme.example' },
  )
}

function isHostName(value: string): boolean {
  if (value === '' || value.length > 253) return false
  return value.split('.').every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))
}

/** The name of a header field (RFC 9110 §5.1). */
export function isFieldName(value: string): boolean {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(value)
}

/** A JSON Pointer (RFC 6901) into claims. */
export function jsonPointer(): Shape<string> {
  return text(
    (value) => {
      if (isJsonPointer(value)) return { value }
      return wrong(`expected a JSON Pointer such as /realm_access/roles, got ${shown(value)}`)
    },
    { pattern: '^/' },
    { expected: 'a JSON Pointer such as /roles' },
  )
}

export function isJsonPointer(value: string): boolean {
  return value.startsWith('/') && !/~(?![01])/.test(value) && value.length <= 512
}

/** One line of text shown to callers: no quotes and backslashes, because it stands inside a quoted-string. */
export function realmText(): Shape<string> {
  return text(
    (value) => {
      if (/^[ !#-[\]-~]{1,128}$/.test(value)) return { value }
      return wrong(`expected 1 to 128 characters of ASCII without " and \\, got ${shown(value)}`)
    },
    { minLength: 1, maxLength: 128 },
  )
}

/** The name of a service or trusted issuer: part of paths, variables and metrics, so of few characters. */
export function nameKey(what: string, reserved: Readonly<Record<string, string>> = {}): KeyShape {
  return {
    what,
    schema: { pattern: '^[a-z][a-z0-9-]{0,62}$' },
    wrong(name) {
      const taken = Object.hasOwn(reserved, name) ? reserved[name] : undefined
      if (taken !== undefined) return wrong(`the name "${name}" is taken: ${taken}`, 'choose another name')
      if (/^[a-z][a-z0-9-]{0,62}$/.test(name)) return undefined
      return wrong(`${what} are lower-case letters, digits and -, starting with a letter`)
    },
  }
}

/** A `client_id` (RFC 6749 §2.2). No colon: it separates id and secret in HTTP Basic. */
export function clientIdKey(): KeyShape {
  return {
    what: 'client ids',
    schema: { pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' },
    wrong(name) {
      if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) return undefined
      return wrong('client ids are letters, digits and . _ -, starting with a letter or digit')
    },
  }
}

export function hasSpaceOrControl(value: string): boolean {
  for (const character of value) {
    if (character <= ' ' || (character >= '\u007f' && character <= '\u00a0')) return true
  }
  return false
}

function wrong(message: string, next?: string): Wrong {
  return next === undefined ? { message } : { message, next }
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 60 * 60, d: 24 * 60 * 60 }
