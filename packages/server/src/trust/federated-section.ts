import { signingAlgorithms } from './algorithm-names.ts'
import { kindText, mistake, oneOf, shown } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { claimText, hasSpaceOrControl, isJsonPointer, word } from './scalars.ts'
import { fields, located, named, oneOrMany, optional } from './shape.ts'
import type { KeyShape, Shape } from './shape.ts'
import type { ClaimMatch, FederatedAssertion } from './trust.ts'
import { issuerUrl, keySetUrl } from './urls.ts'

export const claimName: KeyShape = {
  what: 'claims',
  schema: { minLength: 1 },
  wrong(name) {
    const good = name !== '' && !hasSpaceOrControl(name) && (!name.startsWith('/') || isJsonPointer(name))
    return good
      ? undefined
      : { message: 'expected a claim such as repository_id or /kubernetes.io/namespace' }
  },
}

/** `clients.NAME.authenticate.federated`: whose word counts for the client, and what it must say. */
export const federatedSection = located(
  fields({
    preset: optional(
      located(word(['kubernetes', 'github', 'spiffe'])),
      'A platform whose ways are known: kubernetes, github or spiffe.',
    ),
    issuer: optional(
      located(issuerUrl()),
      'The platform’s iss claim, exactly; needed unless the preset has one.',
    ),
    jwks: optional(keySetUrl(), 'The URL of its key set; found by discovery at the issuer unless given.'),
    algorithms: optional(
      oneOrMany(word(signingAlgorithms), { what: 'algorithms' }),
      'What its keys may be used for; every public-key algorithm, by each key’s own alg, unless said otherwise.',
    ),
    subject: optional(
      oneOrMany(located(claimText('a subject, exactly')), { what: 'subjects' }),
      'What the sub claim must be, exactly; of several, any one.',
    ),
    match: optional(
      located(named(claimName, located(claimValue()))),
      'Claims that must have exactly these values, all of them; a name, or a JSON Pointer.',
    ),
  }),
)

export type FederatedDraft = typeof federatedSection extends Shape<infer T> ? T : never

/** Whose word counts; undefined when something in it was mistaken. */
export function resolveFederated(draft: FederatedDraft, reading: Reading): FederatedAssertion | undefined {
  const { preset, issuer: written, jwks, algorithms = signingAlgorithms, subject = [], match } = draft.value
  const before = reading.mistakes.length
  const issuer = written?.value ?? (preset?.value === 'github' ? githubIssuer : undefined)
  if (issuer === undefined) {
    if (!has(draft, 'issuer'))
      mistake(reading, draft, 'expected issuer', 'write the platform’s iss claim, exactly')
    return undefined
  }
  for (const one of subject) checkSubject(one, preset?.value, reading)
  const matches = matchesOf(match?.value)
  checkConditions(draft, issuer, reading)
  if (reading.mistakes.length > before) return undefined
  return {
    kind: 'federated',
    preset: preset?.value,
    issuer,
    keys: { url: jwks, algorithms: [...algorithms] },
    subjects: subject.map(({ value }) => value),
    match: matches,
  }
}

/** The conditions of a `match`. */
export function matchesOf(
  match: ReadonlyMap<string, Located<Located<string | number | boolean>>> | undefined,
): readonly ClaimMatch[] {
  return [...(match ?? [])].map(([name, { value }]) => ({ path: pathOf(name), value: value.value }))
}

/**
 * Clients of one platform must agree on its keys: a token says which platform it is from and nothing else, so with two
 * sets either could be meant. And our own tokens are no platform's.
 */
export function checkPlatforms(
  assertions: readonly Located<FederatedAssertion>[],
  ownIssuer: string | undefined,
  reading: Reading,
): void {
  const first = new Map<string, Located<FederatedAssertion>>()
  for (const assertion of assertions) {
    const { issuer, keys } = assertion.value
    if (issuer === ownIssuer) {
      mistake(reading, assertion, 'our own issuer is no platform', 'name the issuer of the platform’s tokens')
    }
    const other = first.get(issuer)
    if (other === undefined) first.set(issuer, assertion)
    else if (JSON.stringify(other.value.keys) !== JSON.stringify(keys)) {
      const line = other.tree.place.line
      mistake(
        reading,
        assertion,
        `other keys for the same issuer than on line ${line}`,
        'write the same for both',
      )
    }
  }
}

/**
 * Anybody can have a token of an issuer that is shared by all the world's tenants, and names of accounts can be given up
 * and taken by others: so its tenant must be said, by number.
 */
function checkConditions(draft: FederatedDraft, issuer: string, reading: Reading): void {
  const { preset, subject, match } = draft.value
  const tenants = preset?.value === 'github' ? githubTenants : tenantsOf.get(new URL(issuer).hostname)
  if (tenants === undefined) {
    if (subject === undefined && !has(draft, 'subject'))
      mistake(reading, draft, 'expected subject', 'write the sub claim that this client has there, exactly')
    return
  }
  const told = [...(match?.value ?? [])].filter(([name]) => {
    const [claim = '', ...deeper] = pathOf(name)
    return deeper.length === 0 && tenants.includes(claim)
  })
  if (told.length === 0 && (match !== undefined || !has(draft, 'match'))) {
    const message = `everybody can have a token of ${issuer}: say whose is meant`
    mistake(
      reading,
      match ?? draft,
      message,
      `write match: { ${tenants[0]}: "…" } or ${oneOf(tenants.slice(1))}`,
    )
  }
  for (const [, { value }] of told) {
    if (typeof value.value !== 'string')
      mistake(reading, value, 'this claim is a text', 'put the number in quotes')
  }
}

function checkSubject(
  subject: Located<string>,
  preset: 'kubernetes' | 'github' | 'spiffe' | undefined,
  reading: Reading,
): void {
  const { value } = subject
  const got = `got ${shown(value)}`
  if (value.includes('*'))
    mistake(reading, subject, `subjects are compared exactly, ${got}`, 'write each of them')
  const parts = value.split(':')
  if (preset === 'kubernetes') {
    const good = value.startsWith('system:serviceaccount:') && parts.length === 4 && !parts.includes('')
    if (!good) mistake(reading, subject, `expected system:serviceaccount:NAMESPACE:NAME, ${got}`)
  }
  if (preset === 'spiffe' && !(value.startsWith('spiffe://') && URL.canParse(value))) {
    mistake(reading, subject, `expected a SPIFFE ID such as spiffe://acme.example/orders, ${got}`)
  }
}

/** A text, a number or a boolean. */
export function claimValue(): Shape<string | number | boolean> {
  return {
    schema: { type: ['string', 'number', 'boolean'] },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind === 'scalar' && tree.value !== null && tree.value !== '') return tree.value
      return mistake(reading, spot, `expected a text, a number, true or false, got ${kindText(tree)}`)
    },
  }
}

/** RFC 6901 for what starts with a slash, else the name of a claim as it stands. */
function pathOf(name: string): readonly string[] {
  if (!name.startsWith('/')) return [name]
  return name
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function has({ tree }: FederatedDraft, key: string): boolean {
  return tree.kind === 'map' && tree.entries.has(key)
}

const githubIssuer = 'https://token.actions.githubusercontent.com'
const githubTenants = ['repository_owner_id', 'repository_id', 'enterprise_id']

/** Issuers that all tenants share, by host, and the claims that tell whose a token is and can never be another's. */
const tenantsOf: ReadonlyMap<string, readonly string[]> = new Map([
  ['token.actions.githubusercontent.com', githubTenants],
  ['gitlab.com', ['namespace_id', 'project_id']],
])
