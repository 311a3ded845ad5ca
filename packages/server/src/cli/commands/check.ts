import { mistakesText } from '../../trust/mistake.ts'
import type { Client, Trust } from '../../trust/trust.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'

/**
 * Reads the trust file and reports every mistake; changes nothing.
 *
 * JSON: `{ "file", "ok": true, "issuer", "gateway", "services": […], "clients": […], "trusted": […], "warnings": […] }`,
 * or the error with `mistakes`.
 */
export async function run(
  context: Context,
  { withoutSecrets = false }: { withoutSecrets?: boolean },
): Promise<number> {
  const { terminal, json } = context
  const { trust, file, warnings } = await loadTrust(context, withoutSecrets ? 'none' : 'all')
  await checkWorks(trust)
  if (warnings.length > 0) terminal.say(mistakesText(file.name, warnings))
  if (json) {
    terminal.print(JSON.stringify({ file: file.name, ok: true, ...summary(trust), warnings }, null, 2))
    return exitCodes.ok
  }
  terminal.print(
    `${terminal.paint('good', 'ok')} ${file.name}${file.chosenBy === 'default' ? '' : ` (from ${file.chosenBy})`}`,
  )
  for (const line of overview(trust)) terminal.print(`   ${line}`)
  if (withoutSecrets) terminal.say('secrets were not looked at')
  return exitCodes.ok
}

/** What only the parts themselves can tell: whether the numbers of a rotation fit together. */
async function checkWorks({ issuer }: Trust): Promise<void> {
  if (issuer === undefined) return
  const { rotationTiming } = await import('../../issuer/keys/rotation-timing.ts')
  rotationTiming({
    rotateEverySeconds: issuer.keys.rotateEverySeconds,
    tokenLifetimeSeconds: issuer.tokens.lifetimeSeconds,
  })
}

function summary({ issuer, gateway, services, clients, trusted }: Trust) {
  return {
    issuer:
      issuer === undefined
        ? null
        : { url: issuer.url, store: issuer.store.kind, algorithm: issuer.keys.algorithm },
    gateway: gateway === undefined ? null : { listen: `${gateway.listen.host}:${gateway.listen.port}` },
    services: [...services.values()].map(({ name, at, host, routes }) => ({
      name,
      at,
      host,
      routes: routes.length,
    })),
    clients: [...clients.keys()],
    trusted: [...trusted.values()].map(({ name, issuer: url }) => ({ name, issuer: url })),
  }
}

function overview(trust: Trust): string[] {
  const { issuer, gateway, services, clients, trusted } = summary(trust)
  const lines: string[] = []
  if (issuer !== null) lines.push(`issuer    ${issuer.url}, ${issuer.algorithm}, ${issuer.store} store`)
  if (gateway !== null) lines.push(`gateway   ${gateway.listen}`)
  for (const { name, issuer: url } of trusted) lines.push(`trusted   ${name}: ${url}`)
  for (const { name, at, host, routes } of services) {
    const place = at ?? host
    lines.push(`service   ${name}: ${counted(routes, 'route')}${place === undefined ? '' : ` at ${place}`}`)
    const conditions = trust.services.get(name)!.routes.filter(({ when }) => when !== undefined).length
    if (conditions > 0) lines.push(`          ${counted(conditions, 'condition')} in CEL, not portable`)
  }
  for (const id of clients) {
    const may = trust.clients.get(id)?.may.map(grantText) ?? []
    lines.push(`client    ${id}: ${may.length === 0 ? 'may call nothing' : `may call ${may.join('; ')}`}`)
  }
  return lines
}

function grantText({ service, roles, scopes }: Client['may'][number]): string {
  const as = roles.length === 0 ? '' : ` as ${roles.join(', ')}`
  return `${service}${as}${scopes.length === 0 ? '' : ` with ${scopes.join(', ')}`}`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
