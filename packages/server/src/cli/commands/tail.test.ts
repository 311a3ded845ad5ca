import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createLog } from '../../serve/log.ts'
import { logDecision } from '../../serve/decision-log.ts'
import type { DecisionRecord } from '../../gateway/decision/decision.ts'
import { playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-tail-'))
after(() => rmSync(folder, { recursive: true }))

const allowed: DecisionRecord = {
  requestId: 'r-1',
  outcome: 'allow',
  method: 'GET',
  path: '/billing/invoices/7',
  service: 'billing',
  route: 'GET /invoices/{id}',
  line: 14,
  status: undefined,
  reason: undefined,
  detail: undefined,
  issuer: 'http://localhost:8080',
  subject: 'orders',
  clientId: 'orders',
  tokenId: 't-1',
  keyId: 'k-1',
}
const denied: DecisionRecord = {
  ...allowed,
  requestId: 'r-2',
  outcome: 'deny',
  status: 403,
  reason: 'role-missing',
  detail: 'needs role "admin"',
  tokenId: 't-2',
}

test('tail', async () => {
  const lines: string[] = []
  const log = createLog({ level: 'debug', write: (line) => lines.push(line) })
  const write = logDecision(log)
  log.info('serve.listening', { part: 'gateway' })
  write(allowed)
  write(denied)
  write({ ...denied, requestId: 'r-3', clientId: 'evil\u001b[2J', subject: undefined, dryRun: true })
  write({
    ...denied,
    requestId: 'r-4',
    service: undefined,
    route: undefined,
    line: undefined,
    path: undefined,
  })
  const text = `no line of ours\n{"event":"gateway.denied"\n${lines.join('')}`
  writeFileSync(join(folder, 'gateway.log'), text)
  await playSession(join(import.meta.dirname, '../golden/tail.txt'), {
    cwd: folder,
    input: text,
    hide: [
      [/\d\d:\d\d:\d\d/g, 'HH:MM:SS'],
      [/\d{4}-\d\d-\d\dT[^"]*Z/g, 'TIME'],
    ],
  })
})
