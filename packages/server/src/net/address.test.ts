import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addressKey, createTrustedProxies, plainAddress, readNetwork } from './address.ts'

describe('whose request it is', () => {
  const proxies = createTrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8:1::/48'])

  test('a peer that is no proxy of ours speaks for itself, whatever it says', () => {
    assert.equal(proxies.clientAddress('203.0.113.9', '198.51.100.1'), '203.0.113.9')
    assert.equal(createTrustedProxies([]).clientAddress('10.0.0.1', '198.51.100.1'), '10.0.0.1')
  })

  test('behind proxies of ours it is the first from the right that is none of them', () => {
    assert.equal(proxies.clientAddress('10.0.0.1', '198.51.100.1'), '198.51.100.1')
    assert.equal(
      proxies.clientAddress('10.0.0.1', '6.6.6.6, 198.51.100.1, 10.9.9.9,192.0.2.7'),
      '198.51.100.1',
    )
    assert.equal(proxies.clientAddress('2001:db8:1::5', '2001:db8:2::9'), '2001:db8:2::9')
    assert.equal(proxies.clientAddress('::ffff:10.0.0.1', '198.51.100.1'), '198.51.100.1')
    assert.equal(proxies.clientAddress('10.0.0.1', '::ffff:198.51.100.1'), '198.51.100.1')
  })

  test('only proxies in the chain: the one furthest away', () => {
    assert.equal(proxies.clientAddress('10.0.0.1', '10.0.0.3, 10.0.0.2'), '10.0.0.3')
    assert.equal(proxies.clientAddress('10.0.0.1', undefined), '10.0.0.1')
  })

  test('nonsense is not taken for an address, and nothing left of it is looked at', () => {
    for (const nonsense of [
      '',
      'unknown',
      '_hidden',
      '198.51.100.1:443',
      '300.1.1.1',
      '1.2.3.4 5.6.7.8',
      '0x7f.1',
    ]) {
      assert.equal(proxies.clientAddress('10.0.0.1', `6.6.6.6, ${nonsense}`), '10.0.0.1', nonsense)
    }
  })

  test('a neighbour of a network is not in it', () => {
    assert.deepEqual(
      ['9.255.255.255', '11.0.0.0', '192.0.2.8', '2001:db8:2::1', 'unknown', ''].map(proxies.trusts),
      [false, false, false, false, false, false],
    )
    assert.deepEqual(['10.0.0.0', '10.255.255.255', '192.0.2.7', '2001:db8:1:ffff::1'].map(proxies.trusts), [
      true,
      true,
      true,
      true,
    ])
  })
})

test('a network is an address, or an address and how many bits of it count', () => {
  assert.deepEqual(readNetwork('10.0.0.0/8'), { address: '10.0.0.0', bits: 8, family: 'ipv4' })
  assert.deepEqual(readNetwork('::1'), { address: '::1', bits: 128, family: 'ipv6' })
  for (const text of [
    '',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0/8',
    'proxy.example',
    '::/129',
    'fe80::1%eth0',
    '10.0.0.0/8/8',
  ]) {
    assert.equal(readNetwork(text), undefined, text)
  }
})

test('an IPv6 customer is one address, and so is an IPv4 address in either clothes', () => {
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), addressKey('2001:db8:1:2::9'))
  assert.notEqual(addressKey('2001:db8:1:2::9'), addressKey('2001:db8:1:3::9'))
  assert.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1')
  assert.notEqual(addressKey('192.0.2.1'), addressKey('192.0.2.2'))
  assert.equal(plainAddress('::1'), '::1')
})
