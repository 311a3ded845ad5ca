/** Test support: a PostgreSQL server of its own, in a folder of its own, for as long as a test file runs. */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { tmpdir } from 'node:os'
import { Secret } from '@countersign/sdk/core'
import { openPostgresPool } from '../../packages/server/src/store/postgres-pool.ts'
import type { PostgresPool } from '../../packages/server/src/store/postgres-pool.ts'
import { freePort } from '../machine/free-port.ts'

export type PostgresServer = {
  /** Creates an empty database and gives its URL. */
  newDatabase(): Promise<Secret>
  /** Kills the server without warning and starts it again. */
  crash(): Promise<void>
  /** Ends the server without warning. @returns starts it again */
  halt(): Promise<() => Promise<void>>
  /** Stops every process of the server where it stands: connections stay, and nobody answers. @returns lets them go on */
  freeze(): () => void
  stop(): Promise<void>
}

/** Why there is no server to test with; undefined when there is one. */
export function whyNoPostgres(): string | undefined {
  if (find('postgres') === undefined || find('initdb') === undefined) return 'no PostgreSQL on this machine'
  if (process.getuid?.() === 0 && userIds() === undefined)
    return 'PostgreSQL does not run as root, and there is no user postgres'
  return undefined
}

export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-postgres-'))
  const ids = process.getuid?.() === 0 ? userIds() : undefined
  if (ids !== undefined) chownSync(folder, ids.uid, ids.gid)
  const cluster = join(folder, 'cluster')
  execFileSync(
    find('initdb')!,
    ['-D', cluster, '-U', 'countersign', '-A', 'trust', '--no-sync', '-E', 'UTF8'],
    {
      stdio: 'ignore',
      cwd: folder,
      ...ids,
    },
  )
  const port = await freePort()
  const url = (database: string): Secret =>
    Secret.fromText(`postgres://countersign:hush@127.0.0.1:${port}/${database}`)
  let databases = 0

  const admin = (timeoutMs: number): PostgresPool => openPostgresPool(url('postgres'), timeoutMs)
  const start = async (): Promise<ChildProcess> => {
    // What dies in these tests are processes, not the machine: what was handed to the system is safe without a flush.
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'fsync=off',
      `unix_socket_directories=${folder}`,
    ]
    for (let attempt = 0; attempt < 100; attempt++) {
      const child = spawn(
        find('postgres')!,
        ['-D', cluster, ...settings.flatMap((setting) => ['-c', setting])],
        {
          stdio: 'ignore',
          cwd: folder,
          ...ids,
        },
      )
      // After a crash the processes of the old server may hold on to its memory for a moment; then it ends again.
      while (child.exitCode === null) {
        if (await answers(admin(1000))) return child
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    throw new Error('PostgreSQL did not start')
  }
  const end = (child: ChildProcess, signal: 'SIGINT' | 'SIGKILL'): Promise<unknown> => {
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    return ended
  }
  let child = await start()

  return {
    async newDatabase() {
      const name = `test_${databases++}`
      const pool = admin(20_000)
      await pool.run({ text: `CREATE DATABASE ${name}` })
      await pool.close()
      return url(name)
    },
    async crash() {
      await end(child, 'SIGKILL')
      child = await start()
    },
    async halt() {
      const others = childrenOf(child.pid!)
      await end(child, 'SIGKILL')
      // They end by themselves, and may answer until then.
      while (others.some((id) => !['', 'Z', 'X'].includes(stateOf(id)))) await pause(5)
      return async () => {
        child = await start()
      }
    },
    freeze() {
      // First the one that starts the others, and those when it stands: one that it had just started would answer.
      const first = child.pid!
      process.kill(first, 'SIGSTOP')
      while (!['', 'T'].includes(stateOf(first))) continue
      const others = childrenOf(first)
      for (const id of others) process.kill(id, 'SIGSTOP')
      const all = [first, ...others]
      return () => {
        for (const id of all) {
          try {
            process.kill(id, 'SIGCONT')
          } catch {
            // It was on its way out when it was stopped.
          }
        }
      }
    },
    async stop() {
      // Halted by a test that failed half-way, there is nothing to end.
      if (child.exitCode === null && child.signalCode === null) await end(child, 'SIGINT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Processes that this one has started, as the kernel has it; none where there is no such file. */
function childrenOf(id: number): number[] {
  const file = `/proc/${id}/task/${id}/children`
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

/** The letter that the kernel has for what a process does; empty where there is none. */
function stateOf(id: number): string {
  try {
    // Behind its name, in which there may be anything.
    return readFileSync(`/proc/${id}/stat`, 'latin1').split(') ').at(-1)!.slice(0, 1)
  } catch {
    return ''
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

type Ids = { readonly uid: number; readonly gid: number }

/** Its files are in PATH on some machines, in a folder by version on others. */
function find(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  for (let version = 20; version >= 12; version--) folders.push(`/usr/lib/postgresql/${version}/bin`)
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function userIds(): Ids | undefined {
  try {
    const id = (flag: string): number =>
      Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

async function answers(pool: PostgresPool): Promise<boolean> {
  try {
    await pool.run({ text: 'SELECT 1' })
    return true
  } catch {
    return false
  } finally {
    await pool.close()
  }
}
