import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

function saidOf({ admin = '', authz = '', gateway = '127.0.0.1:9001' }): string {
  const text = `issuer:
  url: http://localhost:8080
  listen: 127.0.0.1:8080
  store: 'memory:'
${admin}gateway:
  listen: ${gateway}
${authz}`
  const read = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  const mistakes = read.kind === 'mistakes' ? mistakesText('f', read.mistakes) : ''
  return `${mistakes}${mistakesText('warning', read.warnings)}`
}

test('an issuer and a gateway at one address are said: one of them would find the port taken', () => {
  assert.equal(saidOf({}), '')
  const both = 'the issuer listens at an address of the gateway: both cannot run on one machine'
  assert.ok(saidOf({ gateway: '127.0.0.1:8080' }).startsWith(`warning:6:11: gateway.listen: ${both}`))
  assert.match(saidOf({ authz: '  authz: { nginx: { listen: 127.0.0.1:8080 } }\n' }), /^warning:6:11/)
})

test('the admin API at the address of the issuer is a mistake, also where it is only the default', () => {
  assert.match(
    saidOf({ admin: '  admin: { listen: 127.0.0.1:8080 }\n' }),
    /^f:5:20: issuer\.admin\.listen: the issuer itself listens there\n {4}next: choose another port$/,
  )
  assert.match(saidOf({ admin: '  admin: {}\n', gateway: '127.0.0.1:8090' }), /^warning:7:11/)
})
