import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../machine/free-port.ts'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

export type DemoPorts = Record<'issuer' | 'gateway' | 'provider' | 'secret' | 'billing', number>

/** A real demo in a process of its own, as `npm start` runs it, on free ports and with a folder of its own. */
export type DemoProcess = {
  readonly ports: DemoPorts
  /** Where its secrets are. */
  readonly folder: string
  readonly pid: number
  /** What it printed so far. */
  readonly output: { stdout: string; stderr: string }
  /** Milliseconds from the start of the process until issuer and gateway accept connections. */
  readonly listeningMs: number
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly milliseconds: number
}

/** Starts the demo and waits until it says that it is complete. Rejects with what it printed when it ends before. */
export async function startDemo(env: Record<string, string> = {}): Promise<DemoProcess> {
  const ports = await freePorts()
  const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
  const started = performance.now()
  const { child, output, ended } = spawnDemo({
    ...portVariables(ports),
    COUNTERSIGN_DEMO_FOLDER: folder,
    ...env,
  })
  let listeningMs = 0
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (listeningMs === 0 && output.stdout.includes(`http://localhost:${ports.gateway}`)) {
        listeningMs = performance.now() - started
      }
      if (output.stdout.includes(lastWords)) resolve()
    }
    child.stdout!.on('data', look)
    child.once('close', () => reject(new Error(`the demo ended\n${output.stdout}${output.stderr}`)))
  })
  return {
    ports,
    folder,
    pid: child.pid!,
    output,
    listeningMs,
    async stop(signal = 'SIGINT') {
      const asked = performance.now()
      child.kill(signal)
      const end = await ended
      rmSync(folder, { recursive: true, force: true })
      return { ...end, milliseconds: performance.now() - asked }
    },
  }
}

/** Runs the demo to its end, for demos that refuse to start. */
export async function runDemo(env: Record<string, string>, args: readonly string[] = []) {
  const { output, ended } = spawnDemo(env, args)
  const { code } = await ended
  return { code, ...output }
}

/** The start script of package.json, without npm in between, so that signals and memory are the demo's own. */
function spawnDemo(env: Record<string, string>, args: readonly string[] = []) {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const [node, ...command] = (scripts.start as string).split(' ')
  if (node !== 'node') throw new Error('the start script does not begin with node')
  const child: ChildProcess = spawn(process.execPath, [...command, ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout!.setEncoding('utf8').on('data', (text) => (output.stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text) => (output.stderr += text))
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  process.once('exit', () => child.kill('SIGKILL'))
  return { child, output, ended }
}

/** Five ports that are free. */
export async function freePorts(): Promise<DemoPorts> {
  const ports: [string, number][] = []
  for (const name of names) ports.push([name, await freePort()])
  return Object.fromEntries(ports) as DemoPorts
}

export function portVariables(ports: DemoPorts): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [`COUNTERSIGN_DEMO_${name.toUpperCase()}_PORT`, String(ports[name])]),
  )
}

/** Resident memory of a process in megabytes, as Linux counts it; undefined elsewhere. */
export function residentMegabytes(pid: number): number | undefined {
  const path = `/proc/${pid}/status`
  if (!existsSync(path)) return undefined
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(path, 'utf8'))?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024
}

const names = ['issuer', 'gateway', 'provider', 'secret', 'billing'] as const
/** What the demo prints when everything runs. */
const lastWords = 'Ctrl-C stops everything'
