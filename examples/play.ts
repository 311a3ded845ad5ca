/**
 * `npm run example NAME`: plays what the example's README says, from the demo to the last command, and ends all of it. On
 * ports of its own, so that nothing else is in its way.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { freePorts, root, startDemo } from '../test/e2e/demo-process.ts'
import type { DemoPorts, DemoProcess } from '../test/e2e/demo-process.ts'
import { readShellBlocks } from '../test/e2e/readme-blocks.ts'

const name = process.argv[2] ?? ''
const names = globSync('*/README.md', { cwd: import.meta.dirname })
  .map(dirname)
  .sort()
if (!names.includes(name)) {
  console.error(`npm run example NAME, which is one of: ${names.join(', ')}`)
  process.exit(2)
}

const readme = readFileSync(join(import.meta.dirname, name, 'README.md'), 'utf8')
const commands = readShellBlocks(readme).map(({ command }) => command)
// The chain has an issuer and a gateway of its own; all others use the demo's.
const hasOwnIssuer = name === 'chain'
const ports = await freePorts()
const service = `http://127.0.0.1:${ports.secret}`
const gateway = `http://localhost:${ports.gateway}`
let demo: DemoProcess | undefined
const services: ChildProcess[] = []
process.once('SIGINT', () => void end().then(() => process.exit(130)))
try {
  for (const command of commands.filter(isServer)) {
    say(command)
    if (command === 'npm start') demo = await startDemo()
    else await serve(command)
  }
  process.exitCode = await run(commands.filter((command) => !isServer(command)))
} finally {
  await end()
}

/** What goes on until it is stopped. */
function isServer(command: string): boolean {
  const isStart = command.includes('main.ts') || command.includes('main.js') || command.endsWith(' serve')
  return command === 'npm start' || (isStart && commands.length > 1)
}

async function serve(command: string): Promise<void> {
  const started = shell(here(command), true)
  services.push(started)
  const gone = once(started, 'exit').then(([code]) => {
    throw new Error(`it ended with ${String(code)} before it listened`)
  })
  const used = hasOwnIssuer ? [ports.issuer, ports.gateway, ports.secret, ports.billing] : [ports.secret]
  await Promise.race([gone, Promise.all(used.map(listens))])
  gone.catch(() => {
    // It was stopped, later.
  })
}

/** In one shell, since one command uses what another has set. */
async function run(all: readonly string[]): Promise<number> {
  const script = all.flatMap((command) => [`cat <<'COMMAND'\n$ ${command}\nCOMMAND`, here(command), 'echo'])
  const [code] = (await once(shell(script.join('\n'), false), 'exit')) as [number | null]
  return code ?? 1
}

function shell(script: string, isGroup: boolean): ChildProcess {
  const env = { ...process.env, ...environment() }
  return spawn('bash', ['-c', script], {
    cwd: root,
    env,
    detached: isGroup,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

/** The same command, where everything listens now. */
function here(command: string): string {
  const { issuer } = demo?.ports ?? ports
  return command
    .replaceAll('http://localhost:8080', `http://localhost:${issuer}`)
    .replaceAll('http://localhost:3000', service)
    .replaceAll('http://localhost:9180', gateway)
    .replaceAll('.countersign/demo', demo?.folder ?? '.countersign/demo')
    .replaceAll('npx countersign', `node ${join(root, 'packages/server/bin/countersign.js')}`)
}

function environment(): Record<string, string> {
  const PATH = `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
  const common = { PATH, PORT: String(ports.secret), SERVICE: service, ISSUER_PORT: String(ports.issuer) }
  if (demo === undefined) return common
  if (hasOwnIssuer) return { ...common, ...chainOn(ports, demo.ports) }
  const secret = readFileSync(join(demo.folder, 'orders.secret'), 'utf8')
  return { ...common, ISSUER: `http://localhost:${demo.ports.issuer}`, ORDERS_SECRET: secret }
}

function chainOn(own: DemoPorts, { provider }: DemoPorts): Record<string, string> {
  const [people, issuer] = [`http://localhost:${provider}`, `http://localhost:${own.issuer}`]
  return {
    PEOPLE: people,
    ISSUER: issuer,
    BILLING: `http://127.0.0.1:${own.billing}`,
    ORDERS_PORT: String(own.secret),
    BILLING_PORT: String(own.billing),
    COUNTERSIGN_ISSUER_URL: issuer,
    COUNTERSIGN_ISSUER_LISTEN: `127.0.0.1:${own.issuer}`,
    COUNTERSIGN_GATEWAY_LISTEN: `127.0.0.1:${own.gateway}`,
    COUNTERSIGN_TRUSTED_PEOPLE_ISSUER: people,
    COUNTERSIGN_SERVICES_ORDERS_UPSTREAM: service,
    COUNTERSIGN_DEMO_PROVIDER_PORT: String(provider),
  }
}

async function listens(port: number): Promise<void> {
  for (const giveUpAt = Date.now() + 30_000; Date.now() < giveUpAt;) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nobody listens on port ${port}`)
}

function say(command: string): void {
  console.log(`$ ${command}`)
}

async function end(): Promise<void> {
  for (const { pid, exitCode } of services) if (exitCode === null) process.kill(-pid!, 'SIGTERM')
  await demo?.stop()
}
