import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

test('for whom, by whose word', () => {
  const reading = read('partner: { subject: alice, match: { tenant: 7, /a/b: true } }')
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText('t', reading.mistakes) : '')
  assert.deepEqual(
    [...reading.trust.clients.get('batch')!.mayAssert!],
    [
      [
        'partner',
        {
          subjects: ['alice'],
          match: [
            { path: ['tenant'], value: 7 },
            { path: ['a', 'b'], value: true },
          ],
        },
      ],
    ],
  )
})

describe('mistakes', () => {
  for (const [members, expected] of [
    ['partner: {}', /everybody of this issuer.*\n.*subject, or match/],
    ['partner: { match: {} }', /everybody of this issuer/],
    ['partner: { subject: "*" }', /compared exactly/],
    ['partne: { subject: alice }', /unknown trusted issuer.*\n.*partner/],
    ['partner: { subjects: alice }', /did you mean "subject"/],
  ] as const) {
    test(members, () => {
      const reading = read(members)
      assert.ok(reading.kind === 'mistakes')
      assert.match(mistakesText('t', reading.mistakes), expected)
    })
  }
})

function read(members: string) {
  const text = `issuer:
  url: https://issuer.acme.example
  listen: 127.0.0.1:0
  store: 'memory:'
trusted:
  partner: { issuer: https://login.partner.example, audience: x, algorithms: ES256 }
services:
  billing: { audience: https://billing.acme.example, roles: [reader] }
clients:
  batch:
    authenticate: { secret: { env: S } }
    may: { billing: { roles: reader } }
    mayAssert: { ${members} }
`
  return readTrust(text, { file: 't', env: { S: 's'.repeat(32) }, readFile: () => '' })
}
