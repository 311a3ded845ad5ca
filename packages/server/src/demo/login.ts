import { createHash, randomBytes } from 'node:crypto'
import { Problem } from '@countersign/sdk/core'
import { billingAudience, terminalClient } from './people.ts'

/**
 * Logs one of the demo's people in at its identity provider and returns the access token: the authorization code
 * flow with PKCE (RFC 6749 §4.1, RFC 7636, RFC 9207), with this function in the place of the person's browser.
 *
 * @param user who logs in, e.g. `alice`
 * @param issuer the provider's address, e.g. `http://localhost:8090`
 * @param audience the service the token is for (RFC 8707)
 * @throws Problem `provider-unreachable` when nobody answers there, `login-refused` when the provider says no
 *
 * @example
 * const accessToken = await logIn({ user: 'alice', issuer: 'http://localhost:8090' })
 */
export async function logIn({
  user,
  issuer,
  audience = billingAudience,
}: {
  user: string
  issuer: string
  audience?: string
}): Promise<string> {
  const { authorize, token } = await discover(issuer)
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const url = new URL(authorize)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: terminalClient.id,
    redirect_uri: terminalClient.redirectUri,
    scope: 'openid invoices:read',
    resource: audience,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()

  const answer = await walkThrough(url, user)
  if (answer.get('state') !== state) throw refused('the answer belongs to another login')
  if (answer.get('iss') !== issuer) throw refused('the answer comes from another provider')
  const code = answer.get('code')
  if (code === null)
    throw refused(answer.get('error_description') ?? answer.get('error') ?? 'no code was given')
  return redeem(token, { code, verifier, audience })
}

/** The provider's endpoints, from its metadata (OpenID Connect Discovery §4), whose issuer must be the one we asked. */
async function discover(issuer: string): Promise<{ authorize: string; token: string }> {
  const metadata = await readJson(await send(`${issuer}/.well-known/openid-configuration`))
  const { authorization_endpoint: authorize, token_endpoint: token } = metadata
  if (metadata['issuer'] !== issuer || typeof authorize !== 'string' || typeof token !== 'string') {
    throw refused(`${issuer} does not describe itself as that provider`)
  }
  return { authorize, token }
}

/** What a browser does: follow every redirect, keep the cookies, fill in the form, until the callback is reached. */
async function walkThrough(start: URL, user: string): Promise<URLSearchParams> {
  const cookies = new Map<string, string>()
  let next: { url: URL; form?: URLSearchParams } = { url: start }
  for (let steps = 0; steps < 12; steps++) {
    const response = await send(next.url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(next.form === undefined ? {} : { method: 'POST', body: next.form }),
    })
    for (const line of response.headers.getSetCookie()) keepCookie(cookies, line)
    const location = response.headers.get('location')
    if (location !== null) {
      const url = new URL(location, next.url)
      if (url.href.startsWith(`${terminalClient.redirectUri}?`)) return url.searchParams
      if (url.origin !== start.origin) throw refused('the provider sends the browser elsewhere')
      next = { url }
    } else if (response.status === 200 && next.form === undefined) {
      next = { url: next.url, form: new URLSearchParams({ user }) }
    } else if (response.status === 403) {
      throw refused(`there is nobody called "${user}"`)
    } else {
      throw refused((await response.text()).split('\n', 1)[0]!.slice(0, 200))
    }
  }
  throw refused('the provider redirects without end')
}

/** Every cookie of this flow is for the whole provider or for pages of this login, so its path can be left out. */
function keepCookie(cookies: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';')
  const [name = '', ...value] = pair.split('=')
  const gone = attributes.some((attribute) => /^\s*expires=Thu, 01 Jan 1970/i.test(attribute))
  if (gone) cookies.delete(name.trim())
  else cookies.set(name.trim(), value.join('=').trim())
}

async function redeem(
  endpoint: string,
  { code, verifier, audience }: { code: string; verifier: string; audience: string },
): Promise<string> {
  const response = await send(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: terminalClient.id,
      redirect_uri: terminalClient.redirectUri,
      resource: audience,
      code,
      code_verifier: verifier,
    }),
  })
  const { access_token: accessToken, error_description: why } = await readJson(response)
  if (typeof accessToken !== 'string') throw refused(typeof why === 'string' ? why : 'no token was given')
  return accessToken
}

async function send(url: string | URL, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) })
  } catch (cause) {
    const origin = new URL(url).origin
    throw new Problem('provider-unreachable', `no answer from the demo's identity provider at ${origin}`, {
      cause,
      next: 'start "countersign demo" first; when it uses another port, name it: --provider-port',
    })
  }
}

async function readJson(response: Response): Promise<Record<string, unknown>> {
  try {
    return (await response.json()) as Record<string, unknown>
  } catch (cause) {
    throw refused('the provider answers with something that is not JSON', cause)
  }
}

function refused(why: string, cause?: unknown): Problem {
  return new Problem('login-refused', `the identity provider refused the login: ${why}`, { cause })
}
