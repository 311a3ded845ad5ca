import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { openBash } from './bash-session.ts'
import type { BashSession } from './bash-session.ts'
import { root } from './demo-process.ts'
import { matchesOutput, readShellBlocks } from './readme-blocks.ts'
import { startPostgres, whyNoPostgres } from '../store/postgres-server.ts'
import type { PostgresServer } from '../store/postgres-server.ts'

// From the first start to production on PostgreSQL: what docs/operations.md says to type is typed here, in its order, into
// a real shell. Only the folder and the ports differ.

const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
const skip = whyNoPostgres() ?? missing('pg_dump') ?? missing('curl') ?? false

describe('docs/operations.md', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-operations-'))
  let postgres: PostgresServer
  let bash: BashSession
  let ports: ReadonlyMap<string, number>

  before(async () => {
    postgres = await startPostgres()
    const { port } = new URL((await postgres.newDatabase()).revealText())
    const [issuer, second, gateway, operations, secondOperations, admin] = await freePorts(6)
    ports = new Map([
      ['8080', issuer!],
      ['8081', second!],
      ['9001', gateway!],
      ['9464', operations!],
      ['9465', secondOperations!],
      ['8090', admin!],
      ['5432', Number(port)],
    ])
    const command = join(folder, 'countersign')
    const main = join(root, 'packages/server/bin/countersign.js')
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" --conditions=source "${main}" "$@"\n`)
    chmodSync(command, 0o755)
    bash = openBash({
      ...process.env,
      PATH: [folder, process.env['PATH']].join(delimiter),
      PGHOST: '127.0.0.1',
      PGPORT: port,
      PGUSER: 'countersign',
      NODE_TEST_CONTEXT: undefined,
    })
    await bash.run(`cd '${folder}'`)
  })
  after(async () => {
    // Whatever was started and is still there: these two, by their ids.
    await bash?.run('kill $SERVER $SECOND 2>/dev/null; wait')
    bash?.close()
    await postgres?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const { line, command, output } of readShellBlocks(page)) {
    test(`line ${line}: ${command.split('\n')[0]!.slice(0, 80)}`, { timeout: 30_000 }, async () => {
      const result = await bash.run(localised(command))
      assert.equal(result.code, 0, result.output)
      if (output !== undefined) {
        assert.ok(matchesOutput(result.output, output), `printed:\n${result.output}\nexpected:\n${output}`)
      }
      // The file that it has written has the usual ports.
      if (command === 'countersign init') movePorts()
    })
  }

  test('it describes every metric there is, and no other', async () => {
    // The servers are still there: the page stops only the second one.
    const { output } = await bash.run(localised('curl -s http://127.0.0.1:9464/metrics'))
    // Those of several gateway processes are there with several; this is one.
    const severally = ['countersign_gateway_workers', 'countersign_gateway_worker_restarts_total']
    const made = [...output.matchAll(/^# TYPE ([a-z_]+) /gm)].map(([, name]) => name!).concat(severally)
    const described = [...page.matchAll(/`((?:countersign|process|nodejs)_[a-z_]+)`/g)].map(
      ([, name]) => name!,
    )
    assert.deepEqual([...new Set(described)].sort(), made.sort())
    const alerted = [...page.matchAll(/expr: .*?((?:countersign|nodejs)_[a-z_]+)/g)].map(([, name]) => name!)
    assert.ok(alerted.length >= 7 && alerted.every((name) => made.includes(name)), alerted.join())
  })

  test('nothing in the log is a secret', () => {
    const log = readFileSync(join(folder, 'serve.log'), 'utf8')
    const secrets = readFileSync(join(folder, 'countersign.env'), 'utf8').matchAll(/=(\S+)$/gm)
    for (const [, secret] of secrets) assert.ok(!log.includes(secret!))
    assert.ok(log.includes('"event":"access"') && !log.includes('eyJ'))
  })

  function movePorts(): void {
    const path = join(folder, 'countersign.yaml')
    writeFileSync(path, localised(readFileSync(path, 'utf8')))
  }

  function localised(text: string): string {
    let moved = text
    for (const [port, real] of ports) moved = moved.replaceAll(`:${port}`, `:${real}`)
    return moved
  }
})

/** Different ones, since all are taken at the same time. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function missing(command: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.some((path) => existsSync(join(path, command)))
  return found ? undefined : `no ${command} on this machine`
}
