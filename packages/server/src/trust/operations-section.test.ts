import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readTrust } from './read.ts'
import type { Trust } from './trust.ts'

const gateway = 'gateway: { listen: 127.0.0.1:9001 }\n'

describe('the operations section', () => {
  test('is away unless written', () => {
    assert.equal(trustOf(gateway).operations, undefined)
    assert.deepEqual(trustOf(gateway).trustedProxies, [])
  })

  test('says where the numbers are, and what of the requests is logged', () => {
    const { operations } = trustOf(`${gateway}operations: { listen: 127.0.0.1:9464, accessLog: on }\n`)
    assert.deepEqual(operations, { listen: { host: '127.0.0.1', port: 9464 }, accessLogShare: 1 })
    assert.deepEqual(trustOf(`${gateway}operations: {}\n`).operations, {
      listen: undefined,
      accessLogShare: 0,
    })
    for (const [text, share] of [
      ['off', 0],
      ['1%', 0.01],
      ['0.5%', 0.005],
      ['50%', 0.5],
    ] as const) {
      assert.equal(
        trustOf(`${gateway}operations: { accessLog: ${text} }\n`).operations?.accessLogShare,
        share,
      )
    }
  })

  test('an address that something else has, and shares that are none', () => {
    assert.match(mistakeOf(`${gateway}operations: { listen: 127.0.0.1:9001 }\n`), /listens there already/)
    for (const text of ['true', '1', '0%', '100%', 'sometimes', '-1%']) {
      assert.match(
        mistakeOf(`${gateway}operations: { accessLog: ${text} }\n`),
        /expected off, on or a share/,
        text,
      )
    }
  })
})

describe('trusted proxies', () => {
  test('are addresses and networks', () => {
    const { trustedProxies } = trustOf(`${gateway}trustedProxies: [10.0.0.0/8, '2001:db8::7']\n`)
    assert.deepEqual(trustedProxies, ['10.0.0.0/8', '2001:db8::7'])
  })

  test('never everybody, and never a name', () => {
    assert.match(mistakeOf(`${gateway}trustedProxies: [0.0.0.0/0]\n`), /everybody is in this network/)
    assert.match(mistakeOf(`${gateway}trustedProxies: [proxy.example]\n`), /expected an address or network/)
    assert.match(mistakeOf(`${gateway}trustedProxies: []\n`), /expected at least 1/)
  })
})

function trustOf(text: string): Trust {
  const reading = readTrust(text, { file: 'x.yaml', env: {}, readFile: () => '' })
  assert.equal(reading.kind, 'trust', JSON.stringify(reading))
  return (reading as Extract<typeof reading, { kind: 'trust' }>).trust
}

function mistakeOf(text: string): string {
  const reading = readTrust(text, { file: 'x.yaml', env: {}, readFile: () => '' })
  assert.equal(reading.kind, 'mistakes', text)
  return (reading as Extract<typeof reading, { kind: 'mistakes' }>).mistakes[0]!.message
}
