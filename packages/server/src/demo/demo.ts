import { Problem, systemClock } from '@countersign/sdk/core'
import type { Clock, Secret } from '@countersign/sdk/core'
import type { Log } from '../log.ts'
import { startServers } from '../serve/start.ts'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { announcement, lastWords, peopleAnnouncement } from './announcement.ts'
import { createBillingService } from './billing-service.ts'
import { randomSecret, writeSecrets } from './client-secrets.ts'
import { checkPorts, listenLocally } from './listen.ts'
import { createProvider } from './provider.ts'
import { createSecretService } from './secret-service.ts'
import type { DemoClient, DemoSettings } from './settings.ts'
import { demoTrustText, localUrl } from './trust-text.ts'
import { createTutorialEndpoint } from './tutorial-token.ts'

export type DemoOptions = {
  readonly settings: DemoSettings
  /** The folder the printed commands are for. */
  readonly cwd: string
  readonly log: Log
  /** Takes what the demo says, whole lines. Never a secret. */
  readonly print: (text: string) => void
  /** Takes warnings, one line each. */
  readonly warn: (line: string) => void
  readonly clock?: Clock
}

export type RunningDemo = {
  /** True once the identity provider listens too, false without it. @throws Problem when its port was taken meanwhile */
  readonly people: Promise<boolean>
  /** Stops everything and takes the secrets away. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Runs the tutorial and its next steps: issuer, gateway, two services and an identity provider, all of it the real thing,
 * on this machine only. Resolves as soon as issuer and gateway listen; the identity provider follows.
 *
 * @throws Problem `port-taken`, `port-refused`, `folder-unwritable`; then nothing is left running
 *
 * @example
 * const demo = await runDemo({ settings: readDemoSettings({ env: process.env }), cwd: process.cwd(), log, print, warn })
 * process.once('SIGINT', () => demo.close())
 */
export async function runDemo(options: DemoOptions): Promise<RunningDemo> {
  const { settings, cwd, log, print, warn, clock = systemClock } = options
  const { ports } = settings
  const key = tutorialKey(settings, warn)
  const secrets = clientSecrets(settings)
  const trust = readDemoTrust(settings, key, secrets)
  await checkPorts(ports)

  const undo: (() => void | Promise<void>)[] = []
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const written = writeSecrets(settings.folder, secrets)
    undo.push(() => written.remove())
    const secret = await listenLocally('secret', ports.secret, createSecretService({ key, clock }))
    undo.push(() => secret.close())
    const [issuer, provider] = [localUrl(ports.issuer), localUrl(ports.provider)]
    const billing = await listenLocally(
      'billing',
      ports.billing,
      createBillingService({ issuer, provider, clock }),
    )
    undo.push(() => billing.close())
    const beforeIssuer = createTutorialEndpoint({ key, clock })
    const servers = await startServers({ trust, log, clock, beforeIssuer, drainMs })
    undo.push(() => servers.close())
  } catch (error) {
    await close()
    throw error
  }
  print(announcement(settings, cwd))

  // Last, and in the background: it takes longer to load than everything else together.
  let closing: Promise<void> | undefined
  const people = startPeople(settings).then(async (started) => {
    if (closing !== undefined) await started?.close()
    if (closing !== undefined) return false
    if (started !== undefined) undo.push(started.close)
    print(peopleAnnouncement(settings, started !== undefined) + lastWords)
    return started !== undefined
  })
  // Whoever waits for it is told; whoever does not must not die of it.
  people.catch(() => undefined)
  return { people, close: () => (closing ??= close()) }
}

/** The tutorial's key as it was given, however short, with one loud warning; or a good one nobody knows. */
function tutorialKey({ tutorialKey: given }: DemoSettings, warn: (line: string) => void): Secret {
  if (given !== undefined && given.byteLength < safeKeyBytes) {
    warn(
      `WARNING: SECRET_KEY has ${given.byteLength} bytes, HS256 needs ${safeKeyBytes} (RFC 7518 §3.2). ` +
        'Whoever sees one token can find this key and sign any other. The demo takes it, nothing else does: ' +
        'make a real one with "openssl rand -base64 32".',
    )
  }
  return given ?? randomSecret()
}

function clientSecrets({ clientSecrets: given }: DemoSettings): Record<DemoClient, Secret> {
  return { orders: given.orders ?? randomSecret(), backoffice: given.backoffice ?? randomSecret() }
}

/** The same text that is shown to people, read as every trust file is. Only the length of secrets is not minded. */
function readDemoTrust(
  { ports, algorithm }: DemoSettings,
  key: Secret,
  { orders, backoffice }: Record<DemoClient, Secret>,
): Trust {
  const read = readTrust(demoTrustText(ports, algorithm), {
    file: 'the demo’s trust file',
    env: {
      SECRET_KEY: key.revealText(),
      ORDERS_SECRET: orders.revealText(),
      BACKOFFICE_SECRET: backoffice.revealText(),
    },
    readFile: () => '',
    dangerouslyShortSecrets: true,
  })
  if (read.kind === 'trust') return read.trust
  const [first] = read.mistakes
  throw new Problem('demo-trust', `the demo's trust file is mistaken: ${first?.path}: ${first?.message}`)
}

async function startPeople({ ports }: DemoSettings): Promise<{ close(): Promise<void> } | undefined> {
  const listener = await createProvider(localUrl(ports.provider))
  return listener === undefined ? undefined : listenLocally('provider', ports.provider, listener)
}

const safeKeyBytes = 32
/** Short: whoever presses Ctrl-C waits for it. */
const drainMs = 300
