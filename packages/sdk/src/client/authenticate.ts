/** How a client shows a token endpoint who it is: by its secret (RFC 6749 §2.3.1), or by the connection (RFC 8705 §2). */
export type AuthenticationMethod = 'client_secret_basic' | 'client_secret_post' | 'tls_client_auth'

/** The same, or a JWT that speaks for the client (RFC 7521 §4.2). */
export type ShownBy = AuthenticationMethod | 'assertion'

/** What an authentication adds to a token request. Holds the secret: for the request alone, never to be kept. */
export type Authentication = {
  readonly headers: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, string>>
}

/**
 * Shows who the client is: in the `Authorization` header, or in the form.
 *
 * @example
 * authenticate('client_secret_basic', 'orders', 's3cr3t').headers // { Authorization: 'Basic b3JkZXJzOnMzY3IzdA==' }
 */
export function authenticate(method: ShownBy, clientId: string, secret: string): Authentication {
  return methods[method](clientId, secret)
}

export function isAuthenticationMethod(value: unknown): value is AuthenticationMethod {
  return value === 'client_secret_basic' || value === 'client_secret_post' || value === 'tls_client_auth'
}

/**
 * The method to use with an issuer that publishes which ones it takes (RFC 8414 §2). The header goes first: it is what
 * every server must take, and forms end up in more logs.
 */
export function chooseMethod(supported: unknown): AuthenticationMethod {
  const onlyPost =
    Array.isArray(supported) &&
    !supported.includes('client_secret_basic') &&
    supported.includes('client_secret_post')
  return onlyPost ? 'client_secret_post' : 'client_secret_basic'
}

/**
 * Both halves are form-encoded first, which most clients forget: a `:` in the id or a `%` in the secret would otherwise
 * be read as something else.
 */
function basic(clientId: string, secret: string): Authentication {
  const credentials = `${formEncode(clientId)}:${formEncode(secret)}`
  return {
    headers: { Authorization: `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}` },
    fields: {},
  }
}

function post(clientId: string, secret: string): Authentication {
  return { headers: {}, fields: { client_id: clientId, client_secret: secret } }
}

/** The client is named as well: an assertion of a platform could mean several. */
function assertion(clientId: string, jwt: string): Authentication {
  return {
    headers: {},
    fields: { client_id: clientId, client_assertion_type: jwtBearer, client_assertion: jwt },
  }
}

/** application/x-www-form-urlencoded, as RFC 6749 appendix B has it. */
function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const methods: Readonly<Record<ShownBy, (clientId: string, secret: string) => Authentication>> = {
  client_secret_basic: basic,
  client_secret_post: post,
  // The certificate is shown by whatever makes the connection.
  tls_client_auth: (clientId) => ({ headers: {}, fields: { client_id: clientId } }),
  assertion,
}
