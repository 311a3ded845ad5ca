import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { median, table } from './measure.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** From the command to the first connection, and what it takes when nobody asks: the installed packages, on SQLite. */
export async function issuerStart(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-start-'))
  try {
    install(folder)
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

/** The packages as npm would install them; what they depend on is linked from here. */
function install(folder: string): void {
  const built = spawnSync(process.execPath, [join(root, 'scripts/build.js')], { stdio: 'ignore' })
  if (built.status !== 0) throw new Error('the packages do not build')
  for (const [name, source] of [
    ['@countersign/sdk', 'packages/sdk'],
    ['countersign', 'packages/server'],
  ] as const) {
    const target = join(folder, 'node_modules', name)
    mkdirSync(target, { recursive: true })
    for (const part of ['package.json', 'dist', ...(name === 'countersign' ? ['bin'] : [])]) {
      cpSync(join(root, source, part), join(target, part), { recursive: true })
    }
  }
  const manifest = readFileSync(join(root, 'packages/server/package.json'), 'utf8')
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> }
  for (const name of Object.keys(dependencies)) {
    if (name.startsWith('@countersign/')) continue
    const target = join(folder, 'node_modules', name)
    mkdirSync(dirname(target), { recursive: true })
    const own = join(root, 'packages/server/node_modules', name)
    const nested = spawnSync('test', ['-d', own]).status === 0
    symlinkSync(nested ? own : join(root, 'node_modules', name), target)
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
