import { runDemo } from '../../demo/demo.ts'
import { readDemoSettings } from '../../demo/settings.ts'
import { demoTrustText } from '../../demo/trust-text.ts'
import type { Log } from '../../log.ts'
import { createLog } from '../../serve/log.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { untilStopped } from '../until-stopped.ts'

export type DemoFlags = {
  readonly printTrust?: boolean
  readonly algorithm?: string
  readonly issuerPort?: string
  readonly gatewayPort?: string
  readonly providerPort?: string
  readonly secretPort?: string
  readonly billingPort?: string
}

/** `countersign demo`: runs until it is told to stop. JSON of `--print-trust`: `{ "trust": "…" }`. */
export async function run({ terminal, env, cwd, json }: Context, flags: DemoFlags): Promise<number> {
  const settings = readDemoSettings({ flags: portsOf(flags), algorithm: flags.algorithm, env, cwd })
  if (flags.printTrust === true) {
    const text = demoTrustText(settings.ports, settings.algorithm)
    terminal.print(json ? JSON.stringify({ trust: text }, null, 2) : text.trimEnd())
    return exitCodes.ok
  }
  const log = createLog({
    pretty: true,
    colour: process.stderr.isTTY && !env['NO_COLOR'],
    write: (line) => void process.stderr.write(line),
  })
  const progress = fromFirstWordOn(log)
  const starting = runDemo({
    settings,
    cwd,
    log: progress.log,
    print(text) {
      terminal.print(text.trimEnd())
      progress.begin()
    },
    warn: (line) => terminal.say(terminal.paint('bad', line)),
  })
  // Heard from the first moment on: what is printed invites to press Ctrl-C while much is still being loaded.
  const stopped = untilStopped(() =>
    starting.then(
      (demo) => demo.close(),
      () => undefined,
    ),
  )
  const demo = await starting
  const failed = demo.people.then(() => new Promise<never>(() => {}))
  try {
    await Promise.race([stopped, failed])
  } finally {
    await demo.close()
  }
  return exitCodes.ok
}

function portsOf({ issuerPort, gatewayPort, providerPort, secretPort, billingPort }: DemoFlags) {
  return {
    issuer: issuerPort,
    gateway: gatewayPort,
    provider: providerPort,
    secret: secretPort,
    billing: billingPort,
  }
}

/** What servers say while they start is for operators; here the demo's own words come first. */
function fromFirstWordOn(log: Log): { readonly log: Log; begin(): void } {
  let begun = false
  return {
    begin: () => void (begun = true),
    log: {
      ...log,
      info(event, fields) {
        if (begun) log.info(event, fields)
      },
    },
  }
}
