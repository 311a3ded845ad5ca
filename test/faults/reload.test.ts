/** `countersign serve` under load, while its trust file changes in every way there is: no request fails, none is decided by neither. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { freePort } from '../cli/issuer.ts'
import { bin } from '../cli/session.ts'

test('a file that is replaced, a directory that is swapped, and SIGHUP: no request fails', async (t) => {
  const stand = await openStand(t)
  const load = keepAsking(stand.port, 6)
  const ways: Readonly<Record<string, (text: string) => void>> = {
    'a directory that is swapped': (text) => stand.swap(text),
    'a file that is replaced': (text) => stand.replace(text),
    'a file that is written in place, and SIGHUP': (text) => {
      stand.write(text)
      stand.kill('SIGHUP')
    },
  }
  for (const [way, change] of Object.entries(ways)) {
    for (let round = 0; round < 3; round++) {
      const place = `/place-${Object.keys(ways).indexOf(way)}-${round}`
      const replaced = stand.count('trust.replaced')
      change(stand.text(place))
      await stand.says('trust.replaced', replaced + 1)
      assert.equal(await status(stand.port, `${place}/x`), 200, `${way}: the new file counts`)
      const mistaken = stand.count('trust.mistaken')
      change(stand.text(place).replace('upstream:', 'upstraem:'))
      await stand.says('trust.mistaken', mistaken + 1)
      assert.equal(await status(stand.port, `${place}/x`), 200, `${way}: a mistaken one does not`)
    }
  }
  const { answers, failures } = await load.stop()
  assert.deepEqual(failures, [])
  assert.ok(answers > 200, `${answers} answers`)
})

async function openStand(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-reload-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const upstream = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.after(() => upstream.close().closeAllConnections())
  const to = `upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const port = await freePort()
  const text = (place: string): string => `gateway: { listen: 127.0.0.1:${port} }
services:
  open: { audience: https://open.example, at: /open, accepts: [], ${to}, routes: { 'GET /{**}': open } }
  other: { audience: https://other.example, at: ${place}, accepts: [], ${to}, routes: { 'GET /{**}': open } }
`
  // As Kubernetes lays out a ConfigMap: the file is a link through a link, and only that one is replaced.
  const file = join(folder, 'countersign.yaml')
  let version = 0
  const swap = (content: string): void => {
    const directory = `..version-${(version += 1)}`
    mkdirSync(join(folder, directory))
    writeFileSync(join(folder, directory, 'countersign.yaml'), content)
    symlinkSync(directory, join(folder, '..next'))
    renameSync(join(folder, '..next'), join(folder, '..data'))
  }
  swap(text('/first'))
  symlinkSync('..data/countersign.yaml', file)
  const child = spawn(process.execPath, [bin, 'serve', '--config', file], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (more: string) => (said += more))
  }
  const until = async (what: string, met: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + 100_000; !met();) {
      if (Date.now() > deadline || child.exitCode !== null) assert.fail(`not seen: ${what}\n${said}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await until('Ctrl-C', () => said.includes('Ctrl-C stops'))
  const count = (event: string): number => said.split(`"event":"${event}"`).length - 1
  return {
    port,
    text,
    swap,
    write: (content: string) => writeFileSync(file, content),
    replace: (content: string) => {
      writeFileSync(`${file}.new`, content)
      renameSync(`${file}.new`, file)
    },
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    count,
    says: (event: string, times: number) => until(event, () => count(event) >= times),
  }
}

/** Clients that keep their connections and ask without a pause. */
function keepAsking(port: number, clients: number) {
  let stopped = false
  let answers = 0
  const failures: string[] = []
  const all = Array.from({ length: clients }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!stopped) {
      await status(port, '/open/x', agent).then(
        (code) => (code === 200 ? answers++ : failures.push(String(code))),
        (error: NodeJS.ErrnoException) => failures.push(error.code ?? error.message),
      )
    }
    agent.destroy()
  })
  return {
    async stop() {
      stopped = true
      await Promise.all(all)
      return { answers, failures }
    },
  }
}

function status(port: number, path: string, agent?: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, ...(agent === undefined ? {} : { agent }) })
    request.on('error', reject)
    request.on('response', (response) => {
      response.on('error', reject)
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
  })
}
