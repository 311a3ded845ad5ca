import { readNetwork } from '../net/address.ts'
import { mistake, shown } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { fields, list, located, optional, text } from './shape.ts'
import type { Shape } from './shape.ts'
import { listenAddress } from './scalars.ts'
import type { ListenAddress, OperationsSettings } from './trust.ts'

/** The `operations` section: what those who run it see. */
export const operationsSection = located(
  fields({
    listen: optional(
      located(listenAddress()),
      'Where /metrics, /livez and /readyz are, host:port; nowhere unless given.',
    ),
    accessLog: optional(accessLog(), 'One line in the log per request: off, on, or a share such as 1%; off.'),
  }),
)

export type OperationsDraft = typeof operationsSection extends Shape<infer T> ? T : never

/**
 * @param others where everything else listens: the numbers are for those who run it, never for who calls
 */
export function resolveOperations(
  draft: OperationsDraft,
  others: readonly (ListenAddress | undefined)[],
  reading: Reading,
): OperationsSettings {
  const { listen, accessLog: share } = draft.value
  if (listen !== undefined && others.some((other) => isSame(other, listen))) {
    mistake(reading, listen, 'issuer or gateway listens there already', 'choose another port')
  }
  return { listen: listen?.value, accessLogShare: share ?? 0 }
}

/** Addresses and networks of proxies before us. */
export function trustedProxies(): Shape<readonly string[]> {
  return list(
    text(
      (value) => {
        const network = readNetwork(value)
        if (network === undefined) {
          return { message: `expected an address or network such as 10.0.0.0/8, got ${shown(value)}` }
        }
        // Then everybody could say who they are.
        if (network.bits === 0) return { message: 'everybody is in this network: name the proxies' }
        return { value }
      },
      {},
      { overridable: false, expected: 'an address or network such as 10.0.0.0/8' },
    ),
    { what: 'addresses or networks of proxies' },
  )
}

/** `off`, `on`, or a share of the requests. */
function accessLog(): Shape<number> {
  const expected = 'off, on or a share such as 1%'
  return text(
    (value) => {
      const share = readShare(value)
      return share === undefined ? { message: `expected ${expected}, got ${shown(value)}` } : { value: share }
    },
    { pattern: '^(on|off|[0-9]{1,2}([.][0-9]{1,3})?%)$' },
    { expected },
  )
}

function readShare(value: string): number | undefined {
  if (value === 'off') return 0
  if (value === 'on') return 1
  const match = /^([0-9]{1,2}(?:[.][0-9]{1,3})?)%$/.exec(value)
  const share = Number(match?.[1]) / 100
  return share > 0 ? share : undefined
}

function isSame(other: ListenAddress | undefined, { value }: Located<ListenAddress>): boolean {
  return other !== undefined && other.port !== 0 && other.port === value.port && other.host === value.host
}
