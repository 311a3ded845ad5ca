import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { openBash } from './bash-session.ts'
import type { BashSession } from './bash-session.ts'
import { root } from './demo-process.ts'
import { freePort } from '../machine/free-port.ts'
import { matchesOutput, readShellBlocks, tokenText } from './readme-blocks.ts'
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
    const moved = new Map([['5432', Number(port)]])
    for (const usual of ['8080', '8081', '9001', '9464', '9465', '8090']) moved.set(usual, await freePort())
    ports = moved
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
    test(`line ${line}: ${command.split('\n')[0]!.slice(0, 80)}`, { timeout: 120_000 }, async () => {
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
    assert.ok(log.includes('"event":"access"'))
    assert.doesNotMatch(log, tokenText)
  })

  function movePorts(): void {
    const path = join(folder, 'countersign.yaml')
    writeFileSync(path, localised(readFileSync(path, 'utf8')))
  }

  function localised(text: string): string {
    return text.replaceAll(/:(\d{4})\b/g, (all, port: string) =>
      ports.has(port) ? `:${ports.get(port)}` : all,
    )
  }
})

function missing(command: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.some((path) => existsSync(join(path, command)))
  return found ? undefined : `no ${command} on this machine`
}
