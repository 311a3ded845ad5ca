import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { alternativeNames, hasSubject, readDistinguishedName } from './certificate-names.ts'
import { certify } from '../../../../test/gateway/certificate.ts'
import type { CertificateContent } from '../../../../test/gateway/certificate.ts'

const orders = certificate({
  subject: [
    ['DC', 'example'],
    ['C', 'DE'],
    ['O', 'Acme, "Shop" + Söhne\\ <x>; #1'],
    ['OU', ' #spaces '],
    ['CN', 'orders\nCN=admin'],
    ['emailAddress', 'orders@acme.example'],
  ],
  names: {
    dns: ['orders.acme.example', '*.acme.example'],
    uri: ['spiffe://acme.example/orders', 'https://x/a,b"c'],
    ip: ['192.0.2.7'],
    email: ['orders@acme.example'],
  },
})
const name = String.raw`emailAddress=orders@acme.example,CN=orders\0ACN=admin,OU=\ #spaces\ ,O=Acme\, \"Shop\" \+ S\C3\B6hne\\ \<x\>\; #1,C=DE,DC=example`

describe('subjects', () => {
  test('the one that it is, however it is escaped', () => {
    assert.equal(is(name), true)
    assert.equal(is(name.replace(String.raw`\C3\B6`, 'ö').replace(String.raw`\,`, String.raw`\2C`)), true)
    assert.equal(is(name.replace('CN=', 'cn=')), true, 'types have no case')
  })

  for (const [what, other] of [
    [
      'another order',
      name
        .split(/(?<!\\),/)
        .reverse()
        .join(','),
    ],
    ['one part less', name.slice(name.indexOf('CN='))],
    ['one part more', `${name},C=DE`],
    ['another case', name.replace('orders', 'Orders')],
    ['the part that a line break would make', 'CN=admin'],
    ['a part for a part', name.replace('C=DE', 'C=DE ')],
  ] as const) {
    test(`not ${what}`, () => assert.equal(is(other), false))
  }

  test('several types in one part are compared nowhere', () => {
    assert.equal(readDistinguishedName('CN=a+O=b'), undefined)
  })

  for (const text of [
    '',
    'orders',
    '=orders',
    'CN=',
    'CN=a,',
    'CN="a"',
    'CN=a;O=b',
    String.raw`CN=a\x`,
    'CN=a\\',
  ]) {
    test(`no name: ${text}`, () => assert.equal(readDistinguishedName(text), undefined))
  }
})

describe('alternative names', () => {
  test('each of its kind, as it stands there', () => {
    assert.deepEqual(alternativeNames(orders, 'dns'), ['orders.acme.example', '*.acme.example'])
    assert.equal(alternativeNames(orders, 'uri')[0], 'spiffe://acme.example/orders')
    assert.deepEqual(alternativeNames(orders, 'ip'), ['192.0.2.7'])
    assert.deepEqual(alternativeNames(orders, 'email'), ['orders@acme.example'])
  })

  test('a name cannot bring others along', () => {
    const sly = certificate({
      subject: [['CN', 'x']],
      names: { uri: ['a, DNS:admin.acme.example', 'b", DNS:"c'] },
    })
    assert.deepEqual(alternativeNames(sly, 'dns'), [])
    const slyHost = certificate({
      subject: [['CN', 'x']],
      names: { dns: ['a, URI:spiffe://acme.example/admin'] },
    })
    assert.deepEqual(alternativeNames(slyHost, 'uri'), [])
  })

  test('none where there are none, or what they are cannot be told', () => {
    assert.deepEqual(alternativeNames(certificate({ subject: [['CN', 'orders.acme.example']] }), 'dns'), [])
    for (const subjectAltName of ['DNS', 'DNS:"a', 'DNS:"a"b, DNS:c']) {
      assert.deepEqual(alternativeNames({ subjectAltName }, 'dns'), [], subjectAltName)
    }
  })
})

function certificate(content: CertificateContent): X509Certificate {
  return new X509Certificate(certify(content).cert)
}

function is(text: string): boolean {
  const read = readDistinguishedName(text)
  return read !== undefined && hasSubject(orders, read)
}
