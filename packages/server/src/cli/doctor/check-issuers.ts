import { parseStrictJson } from '@countersign/sdk/core'
import { createRemoteKeySet, createRevocationFeed, inspectToken, readJwks } from '@countersign/sdk/jwt'
import type { Algorithm } from '@countersign/sdk/jwt'
import type { Trust } from '../../trust/trust.ts'
import { fail, pass, reasonOf, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const timeoutMs = 5_000
/** What verifiers forgive, and what no token survives. */
const skewSeconds = { warn: 5, fail: 60 }
/** The list is signed anew once a minute. */
const oldListSeconds = 150

/** Every issuer whose tokens count here: what it publishes, whether that is what the file says, and what time it is there. */
export async function checkIssuers(trust: Trust, clock: () => number = Date.now): Promise<Finding[]> {
  const own = trust.issuer === undefined ? [] : [checkOwn(trust.issuer.url, clock)]
  const others = [...trust.trusted.values()].map(({ name, issuer, keys, algorithms }) => {
    if (keys.kind === 'secret')
      return Promise.resolve([pass(`trusted ${name}`, 'a shared secret: nobody to ask')])
    if (keys.kind === 'jwks') return checkKeys(`trusted ${name}`, keys.url, algorithms, clock, undefined)
    return checkPublished(`trusted ${name}`, issuer, algorithms, clock).then(({ findings }) => findings)
  })
  return (await Promise.all([...own, ...others])).flat()
}

async function checkOwn(issuer: string, clock: () => number): Promise<Finding[]> {
  const { findings, metadata } = await checkPublished('issuer', issuer, undefined, clock)
  const feed = metadata?.['revocations_uri']
  if (metadata === undefined) return findings
  if (typeof feed !== 'string') {
    return [...findings, fail('revocations', 'the metadata names no list', 'is it a Countersign issuer?')]
  }
  return [...findings, await checkFeed(issuer, feed, clock)]
}

type Published = {
  readonly findings: Finding[]
  readonly metadata?: Readonly<Record<string, unknown>>
}

async function checkPublished(
  check: string,
  issuer: string,
  algorithms: readonly Algorithm[] | undefined,
  clock: () => number,
): Promise<Published> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const asked = await ask(url, clock)
  if ('why' in asked) {
    return {
      findings: [fail(check, `${url}: ${asked.why}`, 'check that it runs, and can be reached from here')],
    }
  }
  const metadata = asked.document as Readonly<Record<string, unknown>>
  if (metadata['issuer'] !== issuer) {
    const next = 'write the issuer exactly as its metadata does, or ask the right one'
    return { findings: [fail(check, `${url} describes itself as another issuer`, next)] }
  }
  const findings = [pass(check, `${issuer} says that it is that issuer`), skew(check, asked.skewSeconds)]
  const { jwks_uri: keys } = metadata
  if (typeof keys !== 'string') {
    return { findings: [...findings, fail(check, 'its metadata has no jwks_uri', 'ask whoever runs it')] }
  }
  return { metadata, findings: [...findings, ...(await checkKeys(check, keys, algorithms, clock, 'said'))] }
}

/** @param skewSaid what time it is there has been said by the answer before */
async function checkKeys(
  check: string,
  url: string,
  algorithms: readonly Algorithm[] | undefined,
  clock: () => number,
  skewSaid: 'said' | undefined,
): Promise<Finding[]> {
  const asked = await ask(url, clock)
  if ('why' in asked) return [fail(check, `${url}: ${asked.why}`, 'check that it can be reached from here')]
  const time = skewSaid === undefined ? [skew(check, asked.skewSeconds)] : []
  try {
    const keys = readJwks(asked.document, { where: url, ...(algorithms === undefined ? {} : { algorithms }) })
    const names = [...new Set(keys.map(({ algorithm }) => algorithm))].join(', ')
    if (keys.length > 0)
      return [...time, pass(check, `${keys.length === 1 ? 'one key' : `${keys.length} keys`}, ${names}`)]
  } catch (error) {
    return [...time, fail(check, reasonOf(error), 'ask whoever runs it')]
  }
  const next = algorithms === undefined ? 'look at its key set' : `is it one of ${algorithms.join(', ')}?`
  return [...time, fail(check, `${url} has no key that could be used`, next)]
}

function skew(check: string, seconds: number): Finding {
  const by = Math.abs(seconds)
  const text = `its clock is ${by} s ${seconds > 0 ? 'ahead of' : 'behind'} the one here`
  const next = 'let both machines take their time from NTP'
  if (by > skewSeconds.fail) return fail(`${check} clock`, text, next)
  if (by > skewSeconds.warn) return warn(`${check} clock`, text, next)
  return pass(`${check} clock`, 'the time here and there is the same, to some seconds')
}

async function checkFeed(issuer: string, url: string, clock: () => number): Promise<Finding> {
  const keySet = createRemoteKeySet({ issuer, allowPrivateAddresses: true })
  try {
    const source = createRevocationFeed({ issuer, keySet, allowPrivateAddresses: true })
    // Verified as a gateway does; then looked at once more for its age.
    const revoked = [...((await source.read(clock())) ?? [])].length
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    const issuedAt = inspectToken(await response.text()).claims?.['iat']
    const age = typeof issuedAt === 'number' ? Math.max(0, Math.round(clock() / 1000 - issuedAt)) : Infinity
    const text = `the list is ${age} s old, with ${revoked} in force`
    if (age <= oldListSeconds) return pass('revocations', text)
    return warn('revocations', text, 'look at the issuer: it signs a new list each minute')
  } catch (error) {
    return fail('revocations', reasonOf(error), 'look at the issuer’s log')
  }
}

type Asked =
  | {
      readonly document: object
      /** Of the clock there against the one here; above zero: it is ahead. */
      readonly skewSeconds: number
    }
  | { readonly why: string }

async function ask(url: string, clock: () => number): Promise<Asked> {
  try {
    const begunMs = clock()
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json' },
    })
    const there = Date.parse(response.headers.get('date') ?? '')
    if (!response.ok) return { why: `answers with status ${response.status}` }
    const document = parseStrictJson(await response.text())
    if (typeof document === 'string') return { why: `answers with what is no JSON: ${document}` }
    // The header has whole seconds, cut off.
    const seconds = Math.trunc((there + 500 - (begunMs + clock()) / 2) / 1000)
    return { document, skewSeconds: Number.isNaN(seconds) ? 0 : seconds }
  } catch (error) {
    return { why: reasonOf(error) }
  }
}
