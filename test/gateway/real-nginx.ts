import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../machine/free-port.ts'
import { ask, get } from './stand.ts'

/** Undefined where it is not installed. */
export const nginx = ['/usr/sbin/nginx', 'nginx'].find((path) => spawnSync(path, ['-v']).status === 0)

/** The real nginx on a port of its own. @param http what stands in `http { … }` for that port */
export async function startNginx(
  http: (port: number) => string,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const file = join(folder, 'nginx.conf')
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = kinds.map((kind) => `${kind}_temp_path ${folder};`).join(' ')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
    events { worker_connections 64; }
    http { access_log off; ${temporary}\n${http(port)} }`,
  )
  const child = spawn(nginx!, ['-p', folder, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (piece) => void (said += String(piece)))
  const exited = once(child, 'exit')
  for (const deadline = Date.now() + 60_000; ;) {
    const up = await ask(port, get('/_countersign'), 5_000).then(
      () => true,
      () => false,
    )
    if (up) break
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`nginx did not start: ${said}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    port,
    async stop() {
      child.kill('SIGQUIT')
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}
