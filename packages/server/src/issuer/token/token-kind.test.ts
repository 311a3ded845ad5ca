import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readForm } from '../http/form.ts'
import { isRefusal } from '../http/refusal.ts'
import { tokenKind } from './token-kind.ts'
import type { TokenKind } from './token-kind.ts'

test('a request is of one of a few kinds, whatever stands in it', () => {
  const basic = ['Basic b3JkZXJzOng=']
  const cases: [body: string, authorization: string[], grant: TokenKind['grant'], auth: TokenKind['auth']][] =
    [
      ['grant_type=client_credentials', basic, 'client_credentials', 'basic'],
      ['grant_type=client_credentials&client_id=a&client_secret=b', [], 'client_credentials', 'post'],
      ['grant_type=client_credentials&client_assertion=x', [], 'client_credentials', 'assertion'],
      [
        'grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange',
        basic,
        'token_exchange',
        'basic',
      ],
      ['grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer', [], 'jwt_bearer', 'none'],
      ['grant_type=made-up-by-a-client', ['Digest x'], 'other', 'other'],
      ['client_id=orders', [], 'none', 'certificate'],
      ['', [], 'none', 'none'],
    ]
  for (const [body, authorization, grant, auth] of cases) {
    const form = readForm('application/x-www-form-urlencoded', Buffer.from(body))
    assert.ok(!isRefusal(form))
    assert.deepEqual(tokenKind(form, authorization), { grant, auth }, body)
  }
  assert.deepEqual(tokenKind(undefined, basic), { grant: 'none', auth: 'basic' })
})
