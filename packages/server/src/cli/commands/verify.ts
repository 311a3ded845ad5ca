import { Problem, systemClock } from '@countersign/sdk/core'
import { createRemoteKeySet, createVerifier } from '@countersign/sdk/jwt'
import type { TrustedIssuerOptions } from '@countersign/sdk/jwt'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'
import { checkIssuerUrl } from '../issuer-choice.ts'
import { onlyService, serviceNamed } from '../service-choice.ts'
import { readToken } from '../token-input.ts'
import { verifyChecks } from '../verify-checks.ts'
import { expectedIssuers } from '../verify-for-service.ts'

type Options = {
  readonly service?: string
  readonly issuer?: string
  readonly audience?: string
  readonly jwks?: string
  readonly type?: string
}

/**
 * Verifies a token as a service of the trust file would, or for `--issuer` and `--audience`, and lists every check.
 *
 * JSON: `{ "verified", "reason", "detail", "checks": [{ "name", "outcome", "detail" }], "claims" }`; claims only when verified.
 */
export async function run(context: Context, options: Options, given?: string): Promise<number> {
  const { terminal, json } = context
  const { issuers, confirmation } = await chooseIssuers(context, options)
  const token = await readToken(given, context)
  const verification = await createVerifier({ issuers, cache: false, confirmation }).verify(token)
  const checks = verifyChecks(token, issuers, verification, systemClock())
  const verified = verification.kind === 'verified'
  if (json) {
    const rest = verified ? { checks, claims: verification.token.claims } : { ...verification.denial, checks }
    terminal.print(JSON.stringify({ verified, ...rest }, null, 2))
  } else {
    for (const { name, outcome, detail } of checks) {
      terminal.print(`${terminal.paint(styles[outcome], marks[outcome])} ${name.padEnd(10)} ${detail}`)
    }
    terminal.print(verified ? terminal.paint('good', 'verified') : terminal.paint('bad', 'not verified'))
  }
  return verified ? exitCodes.ok : exitCodes.denied
}

async function chooseIssuers(context: Context, options: Options): Promise<Chosen> {
  const { service, issuer, audience, jwks, type } = options
  if (issuer !== undefined) {
    if (service !== undefined) throw new Problem('usage', '--service and --issuer exclude each other')
    if (audience === undefined) {
      // A verifier without an audience takes tokens that were made for somebody else.
      throw new Problem('usage', '--issuer needs --audience', { next: 'say whom the token must be for' })
    }
    const url = checkIssuerUrl(issuer)
    const keySet = createRemoteKeySet({
      issuer: url,
      allowPrivateAddresses: true,
      ...(jwks === undefined ? {} : { jwksUri: jwks }),
    })
    const issuers = [{ issuer: url, audience, keySet, types: [type ?? 'at+jwt'] }]
    return { issuers, confirmation: 'checked-by-caller' }
  }
  for (const [name, value] of Object.entries({ audience, jwks, type })) {
    if (value !== undefined)
      throw new Problem('usage', `--${name} goes with --issuer`, {
        next: 'leave it out: the trust file says it',
      })
  }
  const { trust, file } = await loadTrust(context, 'gateway')
  const issuers = expectedIssuers(
    service === undefined ? onlyService(trust, file.name) : serviceNamed(trust, service, file.name),
    trust,
  )
  // Without its own URL the gateway can check no proof, and takes no bound token.
  const confirmation = trust.gateway?.url === undefined ? 'refused' : 'checked-by-caller'
  if (issuers.length > 0) return { issuers, confirmation }
  throw new Problem('usage', 'this service accepts nobody’s tokens: all its routes are open')
}

type Chosen = {
  readonly issuers: readonly TrustedIssuerOptions[]
  /** Whether a bound token is good, as far as can be told without its sender. */
  readonly confirmation: 'refused' | 'checked-by-caller'
}

const marks = { pass: 'pass', fail: 'FAIL', skipped: '  - ' } as const
const styles = { pass: 'good', fail: 'bad', skipped: 'faint' } as const
