import type { Form } from '../http/form.ts'

/** In which of a few known ways a token was asked for. Words of ours: what a client sent is never a label. */
export type TokenKind = { readonly grant: TokenGrant; readonly auth: TokenAuth }

export const tokenGrants = ['client_credentials', 'token_exchange', 'jwt_bearer', 'other', 'none'] as const
export const tokenAuths = ['basic', 'post', 'assertion', 'certificate', 'other', 'none'] as const
export type TokenGrant = (typeof tokenGrants)[number]
export type TokenAuth = (typeof tokenAuths)[number]

/**
 * How a request asks, whether or not it gets anything.
 *
 * @param form undefined when it could not be read
 * @param authorization every `Authorization` header
 */
export function tokenKind(form: Form | undefined, authorization: readonly string[]): TokenKind {
  const values = form?.values
  return { grant: grantOf(values?.get('grant_type')), auth: authOf(values, authorization) }
}

function grantOf(grantType: string | undefined): TokenGrant {
  if (grantType === 'client_credentials') return 'client_credentials'
  if (grantType === 'urn:ietf:params:oauth:grant-type:token-exchange') return 'token_exchange'
  if (grantType === 'urn:ietf:params:oauth:grant-type:jwt-bearer') return 'jwt_bearer'
  return grantType === undefined ? 'none' : 'other'
}

function authOf(values: Form['values'] | undefined, authorization: readonly string[]): TokenAuth {
  if (authorization.length > 0) return isBasic(authorization[0]!) ? 'basic' : 'other'
  if (values?.has('client_assertion') === true) return 'assertion'
  if (values?.has('client_secret') === true) return 'post'
  // Who only says its name can mean its certificate (RFC 8705 §2), whether or not it has shown one.
  return values?.has('client_id') === true ? 'certificate' : 'none'
}

function isBasic(header: string): boolean {
  return header.length > 6 && header.slice(0, 6).toLowerCase() === 'basic '
}
