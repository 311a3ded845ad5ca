import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAdminSession } from '../../../../../test/cli/admin.ts'

test('audit verify', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  await session.run('revoke', 'subject', 'alice')
  const lines = (await session.run('audit', 'export')).split('\n')
  const put = (name: string, kept: readonly string[]): void =>
    writeFileSync(join(session.folder, name), `${kept.join('\n')}\n`)
  put('good.jsonl', lines)
  put('cut.jsonl', lines.slice(0, -1))
  put(
    'changed.jsonl',
    lines.map((line) => line.replace('alice', 'bob')),
  )
  const noted = await session.run('audit', 'verify', 'good.jsonl')
  await session.play('audit-verify.txt', [[noted, 'NOTED']])
})
