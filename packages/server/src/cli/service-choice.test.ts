import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { onlyService, serviceNamed } from './service-choice.ts'

const one = trustFrom('services: { billing: { audience: b, routes: { GET /: open } } }')
const two = trustFrom(
  'services: { billing: { audience: b, routes: { GET /: open } }, orders: { audience: o, routes: { GET /: open } } }',
)
const none = trustFrom('gateway: { listen: 127.0.0.1:1 }')

test('by its name, or the only one', () => {
  assert.equal(serviceNamed(two, 'orders', 'f').audience, 'o')
  assert.equal(onlyService(one, 'f').audience, 'b')
})

test('what cannot be chosen is said with what can', () => {
  const next = (choose: () => unknown): string | undefined => {
    try {
      choose()
    } catch (error) {
      if (isProblem(error) && error.code === 'usage') return error.next
    }
    return assert.fail()
  }
  assert.equal(
    next(() => serviceNamed(two, 'biling', 'f')),
    'did you mean billing?',
  )
  assert.equal(
    next(() => serviceNamed(two, 'xyz', 'f')),
    'known: billing, orders',
  )
  assert.equal(
    next(() => serviceNamed(none, 'xyz', 'f')),
    'known: none',
  )
  assert.equal(
    next(() => onlyService(two, 'f')),
    'say --service billing | orders',
  )
  assert.equal(
    next(() => onlyService(none, 'f')),
    'say --issuer and --audience',
  )
})

function trustFrom(text: string): Trust {
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  return reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
}
