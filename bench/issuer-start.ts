import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installPackages } from './installed.ts'
import { median, table } from './measure.ts'

/** From the command to the first connection, and what it takes when nobody asks: the installed packages, on SQLite. */
export async function issuerStart(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-start-'))
  try {
    installPackages(folder)
    const cold: number[] = []
    const warm: number[] = []
    const idle: number[] = []
    for (let run = 0; run < 9; run++) {
      rmSync(join(folder, 'cache'), { recursive: true, force: true })
      cold.push((await start(folder)).ms)
      const { ms, rssMiB } = await start(folder, 1500)
      warm.push(ms)
      idle.push(rssMiB)
    }
    return [
      '## Start',
      '',
      '`countersign serve --only issuer` from the built packages, a new SQLite store, pinned to one core; median of 9. Milliseconds from the',
      'command to the first connection; resident memory after 1.5 s without a request.',
      '',
      table(
        ['', 'ms', 'RSS MiB'],
        [
          ['first start ever: nothing in the compile cache', String(Math.round(median(cold))), ''],
          ['every later one', String(Math.round(median(warm))), String(Math.round(median(idle)))],
        ],
      ),
    ].join('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function start(folder: string, restMs = 0): Promise<{ ms: number; rssMiB: number }> {
  const project = mkdtempSync(join(folder, 'project-'))
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const trust = `
issuer: { url: 'http://127.0.0.1:${port}', listen: '127.0.0.1:${port}', store: 'sqlite:issuer.db', keys: { seal: { env: SEAL } } }
services: { billing: { audience: https://billing.acme.example, roles: [reader] } }
clients: { orders: { authenticate: { secret: { env: ORDERS } }, may: { billing: { roles: [reader] } } } }
`
  writeFileSync(join(project, 'countersign.yaml'), trust)
  const bin = join(folder, 'node_modules/countersign/bin/countersign.js')
  const env = {
    ...process.env,
    SEAL: 'a'.repeat(64),
    ORDERS: 'b'.repeat(40),
    XDG_CACHE_HOME: join(folder, 'cache'),
  }
  const begun = performance.now()
  const child = spawn('taskset', ['-c', '0', process.execPath, bin, 'serve', '--only', 'issuer'], {
    cwd: project,
    env,
    stdio: 'ignore',
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  while (!(await isUp(port))) {
    if (child.exitCode !== null) throw new Error(`the issuer ended with ${child.exitCode}`)
    await sleep(2)
  }
  const ms = performance.now() - begun
  await sleep(restMs)
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
  child.kill('SIGTERM')
  await ended
  return { ms, rssMiB }
}

function isUp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
