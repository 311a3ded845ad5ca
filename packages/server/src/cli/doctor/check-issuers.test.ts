import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Algorithm } from '@countersign/sdk/jwt'
import { startTestIssuer } from '@countersign/sdk/testing'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { issuerAt, standTrust } from '../../../../../test/gateway/stand.ts'
import type { Trust, TrustedIssuer } from '../../trust/trust.ts'
import { checkIssuers } from './check-issuers.ts'

test('our issuer: its metadata, its time, its keys, its list', async (t) => {
  const issuer = await startTestIssuer({ audience: 'https://billing.acme.example' })
  t.after(() => issuer.close())
  const begunMs = performance.now()
  issuer.revoke({ subject: 'alice' })
  const lines = await linesOf({ issuer: issuerAt(issuer.url) })
  const isNear = (text: string, seconds: number): void => {
    // Seconds are whole ones, cut off somewhere; and a busy machine takes some meanwhile.
    const away = Math.abs(Number(text) - seconds)
    assert.ok(away < 1 + (performance.now() - begunMs) / 1000, `${text}, not ${seconds}`)
  }
  assert.deepEqual(
    lines.map((line) => line.replace(/(?<=list is )\d+/, (age) => (isNear(age, 0.5), '0'))),
    [
      `pass issuer: ${issuer.url} says that it is that issuer`,
      'pass issuer clock: the time here and there is the same, to some seconds',
      'pass issuer: one key, ES256',
      'pass revocations: the list is 0 s old, with 1 in force',
    ],
  )
  const [, ahead] = await linesOf({ issuer: issuerAt(issuer.url) }, -30_000)
  isNear(/^warn issuer clock: its clock is (\d+) s ahead of the one here$/.exec(ahead!)![1]!, 29.5)
  const [, behind] = await linesOf({ issuer: issuerAt(issuer.url) }, 120_000)
  isNear(/^fail issuer clock: its clock is (\d+) s behind the one here$/.exec(behind!)![1]!, 119.5)
})

test('an issuer that is somebody else, has no fitting key, or does not answer', async (t) => {
  const issuer = await startTestIssuer()
  t.after(() => issuer.close())
  const trusted = (name: string, url: string, algorithms: readonly Algorithm[]): [string, TrustedIssuer] => [
    name,
    {
      name,
      issuer: url,
      audience: 'x',
      algorithms,
      type: 'at+jwt',
      keys: { kind: 'discovery' },
      roles: undefined,
    },
  ]
  const other = issuer.url.replace('localhost', '127.0.0.1')
  assert.deepEqual(
    await linesOf({
      trusted: new Map([
        trusted('good', issuer.url, ['ES256']),
        trusted('other', other === issuer.url ? issuer.url.replace('127.0.0.1', 'localhost') : other, [
          'ES256',
        ]),
        trusted('older', issuer.url, ['RS256']),
        trusted('gone', `http://localhost:${await freePort()}`, ['RS256']),
      ]),
    }).then((lines) => lines.map((line) => line.replaceAll(/https?:\/\/[a-z0-9.]+:\d+/g, 'URL'))),
    [
      'pass trusted good: URL says that it is that issuer',
      'pass trusted good clock: the time here and there is the same, to some seconds',
      'pass trusted good: one key, ES256',
      'fail trusted other: URL/.well-known/openid-configuration describes itself as another issuer',
      'pass trusted older: URL says that it is that issuer',
      'pass trusted older clock: the time here and there is the same, to some seconds',
      'fail trusted older: URL/.well-known/jwks.json has no key that could be used',
      'fail trusted gone: URL/.well-known/openid-configuration: ECONNREFUSED',
    ],
  )
  issuer.fail({ metadata: 503 })
  const [failed] = await linesOf({ issuer: issuerAt(issuer.url) })
  assert.match(failed!, /openid-configuration: answers with status 503$/)
})

async function linesOf(changes: Partial<Trust>, shiftMs = 0): Promise<string[]> {
  const found = await checkIssuers(
    { ...standTrust('http://127.0.0.1:1'), ...changes },
    () => Date.now() + shiftMs,
  )
  for (const { verdict, next } of found) assert.equal(next === undefined, verdict === 'pass')
  return found.map(({ verdict, check, text }) => `${verdict} ${check}: ${text}`)
}
