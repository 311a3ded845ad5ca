import type { Clock } from '../core/clock.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { Secret } from '../core/secret.ts'
import { SigningKey } from '../jwt/key.ts'
import { isAuthenticationMethod } from './authenticate.ts'
import type { AuthenticationMethod } from './authenticate.ts'
import { checkSecretUrl } from './endpoint.ts'

/** Options of `createTokenSource`. */
export type TokenSourceOptions = {
  /**
   * Whose tokens: the issuer's URL, whose metadata tells the token endpoint. Either this or `tokenEndpoint`, but with
   * `privateKey` both may be given.
   */
  readonly issuer?: string
  /** The token endpoint's URL, for issuers without metadata. */
  readonly tokenEndpoint?: string
  readonly clientId: string
  /**
   * The secret; as a function it is asked before each request, so that a rotated secret needs no restart. Either this,
   * `privateKey` or `assertionFile`.
   */
  readonly clientSecret?: Secret | string | (() => Secret | string | Promise<Secret | string>)
  /**
   * Signs an assertion for each request (`private_key_jwt`, RFC 7523), so that nothing secret leaves this machine; needs
   * `issuer`, which is whom the assertion is for, word for word. With `tokenEndpoint` beside it no metadata is asked for.
   */
  readonly privateKey?: SigningKey
  /**
   * The path of a file with an assertion that the platform signs, such as a Kubernetes service account's projected
   * token; read anew for each request.
   */
  readonly assertionFile?: string
  /** The service the token is for, as the issuer calls it. */
  readonly audience?: string
  /** The service the token is for, by its URL (RFC 8707 §2). */
  readonly resource?: string
  /** Narrower than all that is granted. */
  readonly scopes?: readonly string[]
  /** Narrower than all that is granted; an extension of our issuer. */
  readonly roles?: readonly string[]
  /**
   * `client_secret_basic`, unless the issuer's metadata has only the other one. `tls_client_auth`: the client is known by its
   * TLS certificate (RFC 8705), which the `fetch` given must show; then there is no secret.
   */
  readonly authentication?: AuthenticationMethod
  /**
   * Binds the tokens to a key that is made here and never leaves this process (DPoP, RFC 9449), and shows it in each
   * request. A bearer token in its place is refused.
   */
  readonly dpop?: boolean
  /** For each exchange with the issuer, milliseconds; 5000 unless given. */
  readonly timeoutMs?: number
  /** Told what happened; never given a token or a secret. What it throws is dropped. */
  readonly onEvent?: (event: TokenSourceEvent) => void
  /** Sends the client's secret over plain http: to other machines. */
  readonly dangerouslyAllowInsecureIssuer?: boolean
  /** Lets `fetch` send tokens over plain http: to other machines. */
  readonly dangerouslyAllowInsecureServices?: boolean
  /** The platform's fetch unless given. */
  readonly fetch?: typeof globalThis.fetch
  readonly clock?: Clock
  /** From 0 to 1, for spreading renewals; `Math.random` unless given. */
  readonly random?: () => number
}

export type TokenSourceEvent =
  | { readonly kind: 'obtained'; readonly expiresAtMs: number }
  /** `stale`: the token at hand is still good and goes on being used. */
  | { readonly kind: 'failed'; readonly problem: Problem; readonly stale: boolean }

/**
 * Refuses options that cannot work, so that a service learns it when it starts and not at its first call.
 *
 * @throws Problem `option-invalid` or `option-unknown`; neither repeats the secret.
 */
export function checkOptions(options: TokenSourceOptions): void {
  refuseUnknownOptions('createTokenSource', options, optionNames)
  const { issuer, tokenEndpoint, clientId, scopes, roles, timeoutMs, authentication } = options
  // Both come from whoever runs the client, so no metadata can have an assertion made for one issuer and sent to another.
  const mayBeBoth = Object.hasOwn(options, 'privateKey')
  const [hasIssuer, hasEndpoint] = [issuer !== undefined, tokenEndpoint !== undefined]
  if (hasIssuer === hasEndpoint && !(hasIssuer && mayBeBoth)) {
    throw invalid('expected either issuer or tokenEndpoint', 'give the issuer, whose metadata tells the rest')
  }
  const allowInsecure = options.dangerouslyAllowInsecureIssuer === true
  for (const [what, url] of Object.entries({ issuer, tokenEndpoint })) {
    if (url === undefined) continue
    checkSecretUrl(url, `createTokenSource: ${what}`, allowInsecure, 'dangerouslyAllowInsecureIssuer')
  }
  if (typeof clientId !== 'string' || clientId === '') throw invalid('expected clientId')
  checkCredential(options)
  for (const [name, list] of Object.entries({ scopes, roles })) {
    if (list === undefined) continue
    // RFC 6749 §3.3: an empty list would ask for all that is granted, and a blank would make two of one.
    const isList = Array.isArray(list) && list.length > 0
    if (isList && list.every((one: unknown) => typeof one === 'string' && one !== '' && !one.includes(' ')))
      continue
    throw invalid(
      `${name}: expected a list of names without blanks`,
      `leave ${name} out for all that is granted`,
    )
  }
  // A text, as settings are before they are read, would switch it on by 'false'.
  if (options.dpop !== undefined && typeof options.dpop !== 'boolean') {
    throw invalid('dpop: expected true or false')
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= maxTimeoutMs)) {
    throw invalid(`timeoutMs: expected 1 to ${maxTimeoutMs} ms`)
  }
  if (authentication !== undefined && !isAuthenticationMethod(authentication)) {
    throw invalid('authentication: expected client_secret_basic, client_secret_post or tls_client_auth')
  }
}

/** Exactly one thing to show; a forgotten variable must not make another one count. */
function checkCredential(options: TokenSourceOptions): void {
  const { clientSecret, privateKey, assertionFile, authentication, issuer } = options
  if (authentication === 'tls_client_auth') return checkCertificate(options)
  const given = ['clientSecret', 'privateKey', 'assertionFile'].filter((name) => Object.hasOwn(options, name))
  if (given.length > 1) throw invalid(`${given.join(' and ')} exclude each other`, 'give one of them')
  if (given[0] === 'privateKey') {
    if (!(privateKey instanceof SigningKey) || privateKey.isSymmetric) {
      throw invalid(
        'privateKey: expected the key of a public-key algorithm',
        'make it with readPrivatePem or its like',
      )
    }
    if (issuer === undefined) {
      throw invalid('privateKey needs issuer, whom its assertions are for', 'give it beside tokenEndpoint')
    }
  } else if (given[0] === 'assertionFile') {
    if (typeof assertionFile !== 'string' || assertionFile === '')
      throw invalid('assertionFile: expected a path')
  } else if (!isSecret(clientSecret) && typeof clientSecret !== 'function') {
    throw invalid('expected clientSecret', 'is the environment variable set that it comes from?')
  }
  if (authentication !== undefined && given[0] !== 'clientSecret') {
    throw invalid('authentication: is for clients with a secret')
  }
}

/** The platform's fetch has no certificate to show, and a secret beside it would be another way to be known. */
function checkCertificate(options: TokenSourceOptions): void {
  const beside = ['clientSecret', 'privateKey', 'assertionFile'].find((name) => Object.hasOwn(options, name))
  if (beside !== undefined)
    throw invalid(`${beside} and tls_client_auth exclude each other`, 'give one of them')
  if (typeof options.fetch !== 'function') {
    throw invalid(
      'tls_client_auth needs a fetch that shows the certificate',
      'such as undici’s with an Agent of its own',
    )
  }
}

/** What narrows a token, as the form's fields. */
export function fieldsOf({
  audience,
  resource,
  scopes,
  roles,
}: TokenSourceOptions): Readonly<Record<string, string>> {
  const fields = { audience, resource, scope: scopes?.join(' '), roles: roles?.join(' ') }
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined),
  )
}

/** By what it can do, so that a secret made by a second copy of this package counts too. */
function isSecret(value: unknown): boolean {
  if (typeof value === 'string') return value !== ''
  return typeof (value as Secret | null | undefined)?.revealText === 'function'
}

function invalid(message: string, next?: string): Problem {
  return new Problem('option-invalid', `createTokenSource: ${message}`, next === undefined ? {} : { next })
}

const maxTimeoutMs = 120_000

const optionNames = [
  'issuer',
  'tokenEndpoint',
  'clientId',
  'clientSecret',
  'privateKey',
  'assertionFile',
  'audience',
  'resource',
  'scopes',
  'roles',
  'authentication',
  'dpop',
  'timeoutMs',
  'onEvent',
  'dangerouslyAllowInsecureIssuer',
  'dangerouslyAllowInsecureServices',
  'fetch',
  'clock',
  'random',
]
