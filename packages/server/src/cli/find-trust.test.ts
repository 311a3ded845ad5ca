import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { findTrustFile, loadTrust, readTrustFile, TrustMistakes } from './find-trust.ts'
import type { Context } from './context.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-find-'))
after(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'here'))
mkdirSync(join(folder, 'empty'))
writeFileSync(join(folder, 'here/countersign.yaml'), 'gateway: { listen: 127.0.0.1:1 }\n')
writeFileSync(join(folder, 'other.yaml'), 'gateway: { lsten: 127.0.0.1:1 }\n')

describe('which file', () => {
  test('the one here', () => {
    const { path, name, chosenBy } = findTrustFile(context('here'))
    assert.deepEqual(
      [path, name, chosenBy],
      [join(folder, 'here/countersign.yaml'), 'countersign.yaml', 'default'],
    )
  })

  test('the variable goes before it, the flag before both', () => {
    const env = { COUNTERSIGN_CONFIG: '../other.yaml' }
    const byVariable = findTrustFile(context('here', { env }))
    assert.deepEqual(
      [byVariable.name, byVariable.chosenBy],
      [join(folder, 'other.yaml'), '$COUNTERSIGN_CONFIG'],
    )
    assert.equal(findTrustFile(context('here', { env, config: 'countersign.yaml' })).chosenBy, '--config')
    assert.equal(findTrustFile(context('here', { env: { COUNTERSIGN_CONFIG: '' } })).chosenBy, 'default')
  })

  test('none', () => {
    const next = (wanted: Context): string | undefined => {
      try {
        findTrustFile(wanted)
      } catch (error) {
        if (isProblem(error) && error.code === 'trust-missing') return error.next
      }
      return assert.fail()
    }
    assert.match(next(context('empty')) ?? '', /countersign init/)
    assert.match(next(context('empty', { config: 'x.yaml' })) ?? '', /--config/)
    writeFileSync(join(folder, 'empty/countersign.yml'), '')
    assert.match(next(context('empty')) ?? '', /rename countersign\.yml/)
  })
})

test('a good file is loaded, a mistaken one thrown with all its mistakes', async () => {
  assert.equal((await loadTrust(context('here'), 'all')).trust.gateway?.listen.port, 1)
  await assert.rejects(loadTrust(context('here', { config: '../other.yaml' }), 'all'), (error) => {
    assert.ok(error instanceof TrustMistakes && isProblem(error))
    assert.deepEqual(
      [error.code, error.message.endsWith('other.yaml has 2 mistakes'), error.mistakes.length],
      ['trust-invalid', true, 2],
    )
    return true
  })
})

test('a folder is no file', async () => {
  const file = { path: folder, name: 'x', chosenBy: '--config' } as const
  await assert.rejects(
    readTrustFile(file, {}, 'all'),
    (error) => isProblem(error) && error.code === 'trust-missing',
  )
})

function context(
  name: string,
  { env = {}, config }: { env?: NodeJS.ProcessEnv; config?: string } = {},
): Context {
  const unused = (): never => assert.fail('not used here')
  const terminal = {
    print: unused,
    say: unused,
    paint: unused,
    readInput: unused,
    isTerminal: false,
    inputIsTerminal: false,
  }
  return { terminal, env, cwd: join(folder, name), json: false, config }
}
