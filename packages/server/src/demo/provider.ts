import { generateKeyPair, randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import type * as OidcProvider from 'oidc-provider'
import { billingAudience, ordersAudience, otherAudience, people, terminalClient } from './people.ts'
import { createProviderStore } from './provider-store.ts'

/**
 * An identity provider for people: OpenID Connect by the oidc-provider package, signing RS256 access tokens
 * (RFC 9068) for the audience that is asked for (RFC 8707). It stands in for the one a company has.
 *
 * The package is a development dependency. Where it is not installed the demo goes on without it.
 *
 * @param issuer the provider's address, which is its `iss` claim, e.g. `http://localhost:8090`
 * @returns what to listen with, or undefined when the package is not installed
 */
export async function createProvider(issuer: string): Promise<RequestListener | undefined> {
  const loaded = await loadPackage()
  if (loaded === undefined) return undefined
  const provider = new loaded.Provider(issuer, {
    adapter: createProviderStore(),
    clients: [
      {
        client_id: terminalClient.id,
        redirect_uris: [terminalClient.redirectUri],
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    jwks: { keys: [await signingKey()] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => billingAudience,
        useGrantedResource: () => true,
        getResourceServerInfo(_context, audience) {
          if (!audiences.includes(audience)) throw new loaded.errors.InvalidTarget()
          const format = { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } } as const
          return { audience, scope: 'invoices:read', accessTokenTTL: tokenSeconds, ...format }
        },
      },
    },
    ttl: {
      AccessToken: tokenSeconds,
      Session: 600,
      Grant: 600,
      Interaction: 300,
      AuthorizationCode: 60,
      IdToken: 300,
    },
    interactions: { url: (_context, interaction) => `/login/${interaction.uid}` },
    renderError(context, out) {
      context.type = 'text'
      context.body = `${out.error}: ${out['error_description'] ?? ''}\n`
    },
    findAccount: (_context, id) =>
      people.has(id) ? { accountId: id, claims: () => ({ sub: id, name: people.get(id)!.name }) } : undefined,
    extraTokenClaims(_context, token) {
      const account = 'accountId' in token ? people.get(String(token.accountId)) : undefined
      return account === undefined ? undefined : { roles: account.roles }
    },
  })
  const answer = provider.callback()
  return (req, res) => {
    if (!/^\/login\/[^/]+$/.test(req.url ?? '')) return void answer(req, res)
    login(provider, req, res).catch(() => {
      // A form that came too late, twice or from elsewhere: the library says so by throwing.
      if (!res.headersSent) text(res, 400, 'This login is over. Start again.\n')
    })
  }
}

/** The page on which a person says who they are, and the form it sends. A real provider asks for proof here. */
async function login(
  provider: OidcProvider.Provider,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const interaction = await provider.interactionDetails(req, res)
  if (interaction.prompt.name === 'consent') return consent(provider, interaction, req, res)
  if (req.method !== 'POST') return page(res, 200, loginPage())
  const user = new URLSearchParams(await readForm(req)).get('user') ?? ''
  if (!people.has(user)) return page(res, 403, loginPage(user))
  await provider.interactionFinished(req, res, { login: { accountId: user } })
}

/** Our own client asks for our own service: nothing to ask the person, so all that is asked for is granted. */
async function consent(
  provider: OidcProvider.Provider,
  interaction: OidcProvider.Interaction,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const accountId = interaction.session!.accountId
  const grant = new provider.Grant({ accountId, clientId: terminalClient.id })
  grant.addOIDCScope('openid')
  for (const audience of audiences) grant.addResourceScope(audience, 'invoices:read')
  await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, merge)
}

async function readForm(req: IncomingMessage): Promise<string> {
  let form = ''
  for await (const chunk of req.setEncoding('utf8')) {
    form += chunk
    if (form.length > 1024) throw new Error('this form is longer than any of ours')
  }
  return form
}

function loginPage(unknown?: string): string {
  const buttons = [...people].map(
    ([id, { name, roles }]) =>
      `<p><button name="user" value="${id}">${name}</button> ${roles.join(', ') || 'no roles'}</p>`,
  )
  const told = unknown === undefined ? '' : `<p>There is nobody of that name here.</p>`
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Who are you?</title>
<h1>Who are you?</h1>${told}<form method="post">${buttons.join('')}</form></html>\n`
}

function page(res: ServerResponse, status: number, html: string): void {
  const type = 'text/html; charset=utf-8'
  const policy = "default-src 'none'; form-action *; frame-ancestors 'none'"
  res.writeHead(status, {
    'content-type': type,
    'content-security-policy': policy,
    'cache-control': 'no-store',
  })
  res.end(html)
}

function text(res: ServerResponse, status: number, line: string): void {
  res
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
    .end(line)
}

/** Made in the background: an RSA key takes long enough that requests to the other servers would have to wait. */
async function signingKey(): Promise<OidcProvider.JWK> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' } as OidcProvider.JWK
}

async function loadPackage(): Promise<typeof OidcProvider | undefined> {
  const { warn } = console
  // On importing, the package warns about every Node that has no long-term support yet. Only that line is held back.
  console.warn = (...line: unknown[]) => {
    if (!String(line[0]).includes('oidc-provider WARNING: Unsupported runtime')) warn(...line)
  }
  try {
    return await import('oidc-provider')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  } finally {
    console.warn = warn
  }
}

const merge = { mergeWithLastSubmission: true }
const tokenSeconds = 300
const audiences: readonly string[] = [billingAudience, otherAudience, ordersAudience]
