import { isLoopbackHost } from '@countersign/sdk/core'
import { shown } from './reading.ts'
import { hasSpaceOrControl, isPlainSegment } from './scalars.ts'
import { text } from './shape.ts'
import type { Shape, Wrong } from './shape.ts'

/**
 * The URL of an issuer, which is also its `iss` claim and compared character by character (RFC 9068 §2.2): so it must be
 * written the one way every library writes it. https, or http on this machine only (RFC 8414 §2).
 */
export function issuerUrl(): Shape<string> {
  return text(readIssuerUrl, { format: 'uri' }, { expected: 'an https URL' })
}

export function readIssuerUrl(value: string): { value: string } | Wrong {
  const read = readUrl(value)
  if ('message' in read) return read
  const { url } = read
  if (url.search !== '' || value.includes('?') || value.includes('#')) {
    return wrong(`an issuer URL has no query and no fragment (RFC 8414 §2)`)
  }
  if (url.protocol !== 'https:' && !isLoopbackHost(url.hostname)) return notHttps(value)
  // `new URL` adds the slash of an empty path; an issuer is written with or without it, and compared exactly.
  if (url.href !== value && url.href !== `${value}/`) {
    return wrong(`not in its normal form: ${shown(value)}`, `write ${url.href}`)
  }
  return { value }
}

/** The URL by which callers reach a listener, without path, query and fragment. */
export function publicUrl(): Shape<string> {
  return text(
    (value) => {
      const read = readUrl(value)
      if ('message' in read) return read
      const { origin } = read.url
      if (value === origin) return { value }
      return wrong(`expected scheme, host and port alone, got ${shown(value)}`, `write ${origin}`)
    },
    { format: 'uri' },
    { expected: 'a URL such as https://api.acme.example' },
  )
}

/** Where key sets are fetched from: https, or http on this machine only (RFC 8725 §3.10: keys must not be swapped). */
export function keySetUrl(): Shape<string> {
  return text(
    (value) => {
      const read = readUrl(value)
      if ('message' in read) return read
      if (read.url.protocol !== 'https:' && !isLoopbackHost(read.url.hostname)) return notHttps(value)
      return { value: read.url.href }
    },
    { format: 'uri' },
    { expected: 'an https URL' },
  )
}

/** Where requests are forwarded to: scheme, host, port, and a path that all of them are put under. */
export function upstreamUrl(): Shape<string> {
  return text(
    (value) => {
      const read = readUrl(value)
      if ('message' in read) return read
      const { url } = read
      if (value.includes('?') || value.includes('#')) {
        return wrong(
          'an upstream has no query and no fragment',
          `write ${url.origin}${trimmed(url.pathname)}`,
        )
      }
      const path = trimmed(url.pathname)
      // What the URL parser would rewrite is refused: what is forwarded to must be what stands here.
      const slash = value.indexOf('/', url.protocol.length + 2)
      if ((slash === -1 ? '' : trimmed(value.slice(slash))) !== path) {
        return wrong(`not in its normal form: ${shown(value)}`, `write ${url.origin}${path}`)
      }
      if (!path.split('/').slice(1).every(isPlainSegment)) {
        return wrong(`expected path segments of letters, digits and - . _ ~, got ${shown(value)}`)
      }
      return { value: url.origin + path }
    },
    { format: 'uri' },
    { expected: 'an http:// or https:// URL' },
  )
}

function trimmed(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

function notHttps(value: string): Wrong {
  const message = `expected https:// (http is for this machine only), got ${shown(value)}`
  return wrong(message, `write https${value.slice('http'.length)}`)
}

function readUrl(value: string): { url: URL } | Wrong {
  const scheme = value.startsWith('http://') || value.startsWith('https://')
  if (!scheme || !URL.canParse(value) || hasSpaceOrControl(value)) {
    const retry = `http://${value}`
    const next = !value.includes(':/') && URL.canParse(retry) ? `write ${retry}` : undefined
    return wrong(`expected http:// or https://, got ${shown(value)}`, next)
  }
  const url = new URL(value)
  if (url.username !== '' || url.password !== '' || value.includes('@')) {
    return wrong('a URL here has no user name and no password', 'take the part before @ out')
  }
  return { url }
}

function wrong(message: string, next?: string): Wrong {
  return next === undefined ? { message } : { message, next }
}
