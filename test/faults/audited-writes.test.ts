import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { emptyChain, verifyChain } from '../../packages/server/src/store/audit-chain.ts'
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts'
import type { AuditRecord, Store } from '../../packages/server/src/store/store.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-audited-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('killed at random moments of 200 changes and more, nothing acknowledged is lost, and the audit log is whole', async (t) => {
  const path = join(folder, 'killed.db')
  let told = 0
  let changed = 0
  for (let round = 0; round < 8 || changed < 200; round++) {
    const acknowledged = await killedAfter(path, round, 5 + Math.random() * 60)
    t.diagnostic(`round ${round}: killed after ${acknowledged.length} changes`)
    const store = openSqliteStore({ path })
    for (const line of acknowledged) {
      const [what, which = ''] = line.split(' ')
      const client = what === 'ring' ? undefined : await store.findClient({ id: which })
      if (what === 'client') assert.ok(client !== undefined, line)
      if (what === 'change') assert.equal(client?.settings, '{"changed":true}', line)
      if (what === 'ring') assert.ok((await store.readRing()).version >= Number(which), line)
    }
    const records = await allRecords(store)
    assert.deepEqual(verifyChain(emptyChain, records), { kind: 'whole', head: await store.readAuditHead() })
    told += acknowledged.length
    changed += acknowledged.length
    assert.ok(records.length >= told)
    // A change and its entry are one: there are as many of the one as of the other.
    let changes = (await store.readRing()).version
    for (let after = ''; ;) {
      const page = await store.listClients(after, 1000)
      changes += page.reduce((sum, { revision }) => sum + revision, 0)
      if (page.length < 1000) break
      after = page.at(-1)!.id
    }
    assert.equal(records.length, changes)
    // What one death has left unacknowledged counts from now on.
    told = records.length
    await store.close()
  }
})

test('on a full disk changes are refused, tokens go on, and what was acknowledged is there', async () => {
  const path = join(folder, 'full.db')
  // The limit for files stands for the disk; ignored, its signal turns into an error of the write.
  const script = `trap '' XFSZ; ulimit -f 1200; exec "$0" --conditions=source "$@"`
  const child = spawn('bash', ['-c', script, process.execPath, program('full-disk.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(code, 0, output)
  const found = JSON.parse(output) as { made: string[]; refused: number; tokens: number[]; after: number }
  assert.ok(found.made.length > 0)
  assert.equal(found.refused, 503)
  assert.deepEqual([...new Set(found.tokens)], [200])
  const store = openSqliteStore({ path })
  for (const id of found.made) assert.ok(await store.findClient({ id }), id)
  const records = await allRecords(store)
  assert.deepEqual(verifyChain(emptyChain, records), { kind: 'whole', head: await store.readAuditHead() })
  // A commit that failed at its very end may turn out to have been written, though nobody was told so.
  const created = records.filter(({ action }) => action === 'client.created').length
  assert.ok(created === found.made.length || created === found.made.length + 1, `${created}`)
  await store.close()
})

async function killedAfter(path: string, round: number, changes: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    ['--conditions=source', program('audited-writer.ts'), path, String(round)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.split('\n').length > changes) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('close', resolve))
  assert.equal(child.signalCode, 'SIGKILL', 'the writer ended by itself')
  // The last line may be half written; what it says is then not acknowledged.
  return output.split('\n').slice(0, -1)
}

async function allRecords(store: Store): Promise<AuditRecord[]> {
  const records: AuditRecord[] = []
  for (;;) {
    const page = await store.readAudit(records.length, 1000)
    records.push(...page)
    if (page.length < 1000) return records
  }
}

function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
