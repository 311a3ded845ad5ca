import { resolve } from 'node:path'
import { Problem, Secret } from '@countersign/sdk/core'
import type { Algorithm } from '@countersign/sdk/jwt'
import { signingAlgorithms } from '../trust/algorithm-names.ts'

export type DemoSettings = {
  readonly ports: DemoPorts
  /** What our issuer signs with. */
  readonly algorithm: Algorithm
  /** Where the clients' secrets are written, an absolute path. */
  readonly folder: string
  /** The key the tutorial's token endpoint and service share; undefined: make a random one. */
  readonly tutorialKey: Secret | undefined
  /** The clients' secrets, where the environment gives them; otherwise each start makes new ones. */
  readonly clientSecrets: Readonly<Record<DemoClient, Secret | undefined>>
}

export type DemoPorts = Readonly<Record<DemoPort, number>>
export type DemoPort = 'issuer' | 'gateway' | 'provider' | 'secret' | 'billing'
export type DemoClient = 'orders' | 'backoffice'

/**
 * The demo's settings: flags first, then the environment (`COUNTERSIGN_DEMO_ISSUER_PORT`, …), then the defaults.
 *
 * @param flags ports as typed, by name; undefined where nothing was typed
 * @param algorithm as typed after `--algorithm`
 * @param env usually `process.env`
 * @param cwd what a relative folder is relative to
 * @throws Problem `demo-port` for a port that is none, or one that is asked for twice; `demo-algorithm` for a name that is no
 *   signature algorithm of an issuer; `demo-secret` for an empty secret
 */
export function readDemoSettings({
  flags = {},
  algorithm = undefined,
  env = {},
  cwd = process.cwd(),
}: {
  flags?: Partial<Record<DemoPort, string | undefined>>
  algorithm?: string | undefined
  env?: NodeJS.ProcessEnv
  cwd?: string
}): DemoSettings {
  return {
    ports: readPorts(flags, env),
    algorithm: readAlgorithm(algorithm ?? env['COUNTERSIGN_DEMO_ALGORITHM'] ?? 'ES256'),
    folder: resolve(cwd, env['COUNTERSIGN_DEMO_FOLDER'] || '.countersign/demo'),
    tutorialKey: readSecret(env, 'SECRET_KEY'),
    clientSecrets: {
      orders: readSecret(env, 'ORDERS_SECRET'),
      backoffice: readSecret(env, 'BACKOFFICE_SECRET'),
    },
  }
}

function readPorts(flags: Partial<Record<DemoPort, string | undefined>>, env: NodeJS.ProcessEnv): DemoPorts {
  const ports: Record<DemoPort, number> = { ...defaultPorts }
  const taken = new Map<number, string>()
  for (const port of Object.keys(defaultPorts) as DemoPort[]) {
    const flag = portFlag(port)
    const variable = portVariable(port)
    const typed = flags[port]
    const [text, where] = typed === undefined ? [env[variable], variable] : [typed, flag]
    if (text !== undefined) ports[port] = readPort(text, where)
    const other = taken.get(ports[port])
    if (other !== undefined) {
      throw new Problem('demo-port', `${other} and ${flag} are both ${ports[port]}`, {
        next: 'give each its own port',
      })
    }
    taken.set(ports[port], flag)
  }
  return ports
}

/** The flag of a port: `--issuer-port`. */
export function portFlag(port: DemoPort): string {
  return `--${port}-port`
}

/** The environment variable of a port: `COUNTERSIGN_DEMO_ISSUER_PORT`. */
export function portVariable(port: DemoPort): string {
  return `COUNTERSIGN_DEMO_${port.toUpperCase()}_PORT`
}

function readPort(text: string, where: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65535) return port
  throw new Problem('demo-port', `${where}: expected a port from 1 to 65535, got "${text}"`, {
    next: `for example ${where.startsWith('--') ? `${where} 9000` : `${where}=9000`}`,
  })
}

function readAlgorithm(name: string): Algorithm {
  const known = signingAlgorithms.find((algorithm) => algorithm === name)
  if (known !== undefined) return known
  throw new Problem('demo-algorithm', `"${name}" is not an algorithm that an issuer can sign with`, {
    next: `one of ${signingAlgorithms.join(', ')}`,
  })
}

/** A set but empty variable is a mistake in somebody's shell, never a wish for no secret or a random one. */
function readSecret(env: NodeJS.ProcessEnv, name: string): Secret | undefined {
  const text = env[name]
  if (text === undefined) return undefined
  if (text.trim() !== '') return Secret.fromText(text)
  throw new Problem('demo-secret', `${name} is set but empty`, {
    next: `set it to a secret, or run "unset ${name}" and the demo makes a random one`,
  })
}

/** Where everything listens unless told otherwise. Issuer and gateway have the tutorial's ports. */
export const defaultPorts: DemoPorts = {
  issuer: 8080,
  gateway: 9001,
  provider: 8090,
  secret: 9101,
  billing: 9102,
}
