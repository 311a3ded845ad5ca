import type { ServiceIssuer, ServiceTerms } from '@countersign/sdk/guard'
import type { Service, Trust, TrustedIssuer } from '../trust/trust.ts'

/**
 * The text of a module that holds what the trust file says of its services: for guards, which enforce it without reading
 * the file, and for the compiler, which then knows every name. Nothing secret is in it.
 *
 * The same file gives the same text, so that a check can compare them.
 *
 * @param file how the trust file is called, for the first line.
 */
export function typesModule(trust: Trust, services: readonly Service[], file: string): string {
  const terms = Object.fromEntries(services.map((service) => [service.name, termsOf(service, trust)]))
  const issuer =
    trust.issuer === undefined
      ? ''
      : `/** The \`iss\` of our own tokens. */\n// prettier-ignore\nexport const issuer = ${literal(trust.issuer.url)}\n\n`
  return `${firstLine} from ${file.replaceAll('\n', ' ')}; not by hand. \`countersign types --check\` tells when it is old.
/* eslint-disable */
import type { ServiceTerms } from '@countersign/sdk/guard'

${issuer}// prettier-ignore
export const services = ${literal(terms, '')} as const satisfies Readonly<Record<string, ServiceTerms>>

export type ServiceName = keyof typeof services
export type Role<Name extends ServiceName> = (typeof services)[Name]['roles'][number]
export type Scope<Name extends ServiceName> = (typeof services)[Name]['scopes'][number]
export type Route<Name extends ServiceName> = keyof (typeof services)[Name]['routes']
`
}

/** Whether a file was written by us, and may be written again. */
export function isTypesModule(text: string): boolean {
  return text.startsWith(firstLine)
}

function termsOf(service: Service, trust: Trust): ServiceTerms {
  const { name, audience, roles, scopes, routes, bind } = service
  const conditions = routes.flatMap(({ method, template, when }) =>
    when === undefined ? [] : [[`${method} ${template}`, when] as const],
  )
  return {
    name,
    audience,
    roles,
    scopes,
    issuers: issuersOf(service, trust),
    tokenFrom: placesOf(service),
    ...(bind === undefined ? {} : { bind }),
    ...(conditions.length === 0 ? {} : { conditions: Object.fromEntries(conditions) }),
    routes: Object.fromEntries(
      routes.map(({ method, template, requirement }) => [`${method} ${template}`, requirement]),
    ),
  }
}

function placesOf(service: Service): ServiceTerms['tokenFrom'] {
  const places = service.tokenFrom.map((place) =>
    place.kind === 'bearer'
      ? 'bearer'
      : place.kind === 'header'
        ? { header: place.name }
        : { cookie: place.name },
  )
  return isExchanged(service) && !places.includes('bearer') ? ['bearer', ...places] : places
}

function issuersOf(service: Service, trust: Trust): ServiceIssuer[] {
  const { audience, acceptsOwn, accepts, transactions } = service
  const isOwn = trust.issuer !== undefined && (acceptsOwn || isExchanged(service))
  // A transaction token is no access token, by its type and its audience; what is exchanged is one.
  const kind =
    transactions === true && !isExchanged(service)
      ? { audience: trust.transactions?.trustDomain ?? '', types: ['txntoken+jwt'] }
      : { audience }
  return [
    // Ours, by our own file: it may well be inside our network.
    ...(isOwn
      ? [
          {
            issuer: trust.issuer.url,
            ...kind,
            publishesRevocations: true,
            allowPrivateAddresses: true,
          } as const,
        ]
      : []),
    // The reader of the trust file has resolved every name.
    ...accepts.map((name) => trustedTerms(trust.trusted.get(name)!)),
  ]
}

/** Whether the gateway puts a token of our own in the place of the caller's, as `Authorization: Bearer`. */
function isExchanged({ token }: Service): boolean {
  return typeof token === 'object'
}

function trustedTerms({ issuer, audience, algorithms, type, keys, roles }: TrustedIssuer): ServiceIssuer {
  return {
    issuer,
    audience,
    algorithms,
    types: [type],
    ...(keys.kind === 'jwks' ? { jwksUri: keys.url } : {}),
    ...(keys.kind === 'secret' ? { hasSecret: true } : {}),
    ...(roles === undefined ? {} : { roles }),
  }
}

/**
 * A value as TypeScript writes it.
 *
 * @param indent in front of the lines of an object that gets several; one that is not given gets a single line.
 */
function literal(value: unknown, indent?: string): string {
  if (Array.isArray(value)) return `[${value.map((one) => literal(one)).join(', ')}]`
  if (typeof value !== 'object' || value === null)
    return typeof value === 'string' ? quoted(value) : String(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  if (members.length === 0) return '{}'
  if (indent === undefined || !isLong.test(indent)) return oneLine(members)
  const deeper = `${indent}  `
  return `{\n${members.map(([name, member]) => `${deeper}${key(name)}: ${literal(member, deeper)},\n`).join('')}${indent}}`
}

function oneLine(members: readonly (readonly [string, unknown])[]): string {
  return `{ ${members.map(([name, member]) => `${key(name)}: ${literal(member)}`).join(', ')} }`
}

function key(name: string): string {
  return plainName.test(name) ? name : quoted(name)
}

/** Single quotes where nothing has to be escaped. */
function quoted(text: string): string {
  return plainText.test(text) ? `'${text}'` : JSON.stringify(text)
}

const firstLine = '// Written by `countersign types`'
/** Services, their members, and the routes have lines of their own; what is deeper has not. */
const isLong = /^ {0,4}$/
/** `__proto__: …` in a literal would be no member. */
const plainName = /^(?!__proto__$)[A-Za-z_$][\w$]*$/
const plainText = /^[^'\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u
