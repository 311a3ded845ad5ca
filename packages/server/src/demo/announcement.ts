import { relative } from 'node:path'
import { secretPath } from './client-secrets.ts'
import { otherAudience, people } from './people.ts'
import { defaultPorts, portFlag } from './settings.ts'
import type { DemoSettings } from './settings.ts'
import { localUrl } from './trust-text.ts'

/**
 * What the demo prints once issuer and gateway listen: what runs where, and commands that work as they are printed.
 * No secret and no token is in it; the commands read them from where they are.
 *
 * @param cwd the folder the commands are for; they begin by going there
 */
export function announcement({ ports, folder }: DemoSettings, cwd: string): string {
  const issuer = localUrl(ports.issuer)
  const gateway = localUrl(ports.gateway)
  return `The demo runs. Nothing in it is pretended: two services behind a gateway, an issuer, one trust file.

  issuer    ${issuer}    its public keys: ${issuer}/.well-known/jwks.json
  gateway   ${gateway}    / is the tutorial's service, /billing has invoices
  secrets   ${shown(folder, cwd)}    made for this run, readable by you alone
  trust     npx countersign demo --print-trust${portFlags({ ports })}

Try it in a second terminal:

  cd ${quoted(cwd)}

  # The tutorial: no token, a token for a minute, the token in its header
  curl ${gateway}
  curl ${issuer}
  curl ${gateway} --header "Token: $(curl -s ${issuer})"

  # The same token where the standards put it
  curl ${gateway} --header "Authorization: Bearer $(curl -s ${issuer})"

  # No shared signing key: orders has a secret of its own and gets a signed token; it may read, and not write
  TOKEN=$(${tokenCommand('orders', issuer, folder, cwd)})
  curl ${gateway}/billing/invoices --header "Authorization: Bearer $TOKEN"
  curl ${gateway}/billing/invoices --header "Authorization: Bearer $TOKEN" --data '{"amount":12}'

  # backoffice has the role admin: the same call goes through
  TOKEN=$(${tokenCommand('backoffice', issuer, folder, cwd)})
  curl ${gateway}/billing/invoices --header "Authorization: Bearer $TOKEN" --data '{"amount":12}'
`
}

/** What is printed last: the identity provider, which starts after everything else, or why there is none. */
export function peopleAnnouncement({ ports }: Pick<DemoSettings, 'ports'>, started: boolean): string {
  const gateway = localUrl(ports.gateway)
  if (!started) {
    return `  (No logins of people: the package oidc-provider is not installed. "npm install oidc-provider" brings them.)\n`
  }
  const names = [...people].map(([id, { roles }]) => `${id} (${roles.join(', ') || 'no roles'})`)
  const login = `npx countersign demo login alice${portFlags({ ports }, ['provider'])}`
  return `
  # People log in at an identity provider, ${localUrl(ports.provider)}: ${names.join(', ')}
  TOKEN=$(${login})
  curl ${gateway}/billing/whoami --header "Authorization: Bearer $TOKEN"

  # A token for another service is refused
  TOKEN=$(${login} --audience ${otherAudience})
  curl ${gateway}/billing/whoami --header "Authorization: Bearer $TOKEN"
`
}

/** What the demo says last. */
export const lastWords = '\nCtrl-C stops everything.\n'

/** A command that prints an access token and nothing else, with nothing but what every machine has. */
function tokenCommand(client: string, issuer: string, folder: string, cwd: string): string {
  const secret = shown(secretPath(folder, client), cwd)
  return (
    `curl -s -u "${client}:$(cat ${secret})" -d grant_type=client_credentials ${issuer}/token` +
    ` | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'`
  )
}

/** The flags that tell a command about ports other than the usual ones. */
function portFlags({ ports }: Pick<DemoSettings, 'ports'>, only = Object.keys(defaultPorts)): string {
  return (Object.keys(defaultPorts) as (keyof typeof defaultPorts)[])
    .filter((port) => only.includes(port) && ports[port] !== defaultPorts[port])
    .map((port) => ` ${portFlag(port)} ${ports[port]}`)
    .join('')
}

/** A path as one would type it in `cwd`. */
function shown(path: string, cwd: string): string {
  const near = relative(cwd, path)
  return quoted(near.startsWith('..') ? path : near)
}

/** Quoted for a shell only where that is needed. */
function quoted(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
