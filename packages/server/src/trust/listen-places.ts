import { mistake, warning } from './reading.ts'
import type { Reading, Spot } from './reading.ts'
import type { Tree } from './tree.ts'
import type { GatewaySettings, IssuerSettings, ListenAddress } from './trust.ts'

/**
 * Two listeners at one address. Within the issuer that can never work; an issuer and a gateway may run on two machines
 * that share the file, so there it is only said.
 *
 * @param root the whole file, to say where
 */
export function checkListenPlaces(
  root: Tree,
  issuer: IssuerSettings | undefined,
  gateway: GatewaySettings | undefined,
  reading: Reading,
): void {
  if (issuer === undefined) return
  const { admin } = issuer
  const ours = [issuer.listen, ...(admin === undefined ? [] : [admin.listen])]
  if (admin !== undefined && isSame(issuer.listen, admin.listen)) {
    const spot = spotOf(root, ['issuer', 'admin', 'listen'])
    mistake(reading, spot, 'the issuer itself listens there', 'choose another port')
  }
  if (gateway === undefined) return
  const theirs = [gateway.listen, ...(gateway.authz ?? []).map(({ listen }) => listen)]
  if (!theirs.some((other) => ours.some((own) => isSame(own, other)))) return
  warning(
    reading,
    spotOf(root, ['gateway', 'listen']),
    'the issuer listens at an address of the gateway: both cannot run on one machine',
    'choose another port, or run them apart with `serve --only`',
  )
}

/** Port 0 is another one each time. */
function isSame(one: ListenAddress, other: ListenAddress): boolean {
  return one.port !== 0 && one.port === other.port && one.host === other.host
}

/** The value at a path, or as much of the way as the file has. */
function spotOf(root: Tree, path: readonly string[]): Spot {
  let tree = root
  for (const step of path) tree = (tree.kind === 'map' ? tree.entries.get(step) : undefined) ?? tree
  return { tree, path }
}
