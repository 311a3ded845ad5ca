/** The demo's end users and what their identity provider says about them. No passwords: it is a demo. */
export const people: ReadonlyMap<string, Person> = new Map([
  ['alice', { name: 'Alice', roles: ['admin'] }],
  ['bob', { name: 'Bob', roles: ['reader'] }],
  ['carol', { name: 'Carol', roles: [] }],
])

export type Person = { readonly name: string; readonly roles: readonly string[] }

/** The public client through which people log in from a terminal; its code flow needs PKCE, as RFC 8252 asks. */
export const terminalClient = {
  id: 'demo-terminal',
  /** Nobody listens there: whoever runs the flow reads the code from the redirect (RFC 8252 §7.3). */
  redirectUri: 'http://127.0.0.1/callback',
} as const

/** The audience of the demo's billing service, for our own issuer's tokens and the provider's alike. */
export const billingAudience = 'https://billing.acme.example'

/** Another service of the same company that the demo does not run: tokens for it must be refused by billing. */
export const otherAudience = 'https://shipping.acme.example'

/** One that an example of this repository runs beside the demo. */
export const ordersAudience = 'https://orders.acme.example'
