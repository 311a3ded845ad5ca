import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openAdminSession } from '../../../../test/cli/admin.ts'
import { idsAsWords } from './id-arguments.ts'

const jti = `-h${'x'.repeat(20)}`
const kid = `--${'x'.repeat(41)}`

test('an id that begins with a hyphen is an id where one is taken', () => {
  assert.deepEqual(idsAsWords(['keys', 'remove', kid, '--json']), ['keys', 'remove', '--json', '--', kid])
  assert.deepEqual(idsAsWords(['--json', 'revoke', 'token', jti]), ['--json', 'revoke', 'token', '--', jti])
})

test('everything else stays as it was typed', () => {
  for (const args of [
    ['keys', 'remove', '--json', 'x'.repeat(43)],
    ['keys', 'remove', '--', kid],
    ['revoke', 'token', '-h'],
    ['revoke', 'token', `-${'x'.repeat(30)}`],
    ['token', jti],
    [],
  ])
    assert.deepEqual(idsAsWords(args), args)
})

test('such a key is asked for at the admin API', async (t) => {
  const session = await openAdminSession()
  t.after(session.close)
  for (const args of [
    ['keys', 'remove', kid],
    ['revoke', 'key', jti],
  ]) {
    const { stderr, code } = await session.try(...args)
    assert.match(stderr, /the key ring holds no key -/)
    assert.equal(code, 5)
  }
})
