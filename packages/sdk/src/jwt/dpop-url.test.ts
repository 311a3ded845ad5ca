import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparable, isSameTarget } from './dpop-url.ts'

const url = 'https://billing.example/invoices/7'

for (const [what, one, other = url] of [
  ['the same text', url],
  ['a query', `${url}?page=2`],
  ['a fragment', `${url}#top`],
  ['upper case in scheme and host', 'HTTPS://Billing.EXAMPLE/invoices/7'],
  ['the default port', 'https://billing.example:443/invoices/7'],
  ['dot segments', 'https://billing.example/x/../invoices/./7'],
  ['no path and the root', 'https://billing.example', 'https://billing.example/'],
  ['hex digits in either case', 'https://b.example/a%2fb', 'https://b.example/a%2Fb'],
  ['a needless escape', 'https://b.example/%7Ejoe', 'https://b.example/~joe'],
  ['http with its port', 'http://b.example:80/x', 'http://b.example/x'],
] as const) {
  test(`one target: ${what}`, () => {
    assert.ok(isSameTarget(one, other))
    assert.ok(isSameTarget(other, one))
  })
}

for (const [what, one, other = url] of [
  ['another path', 'https://billing.example/invoices/8'],
  ['another case in the path', 'https://billing.example/Invoices/7'],
  ['a slash at the end', `${url}/`],
  ['another host', 'https://orders.example/invoices/7'],
  ['another scheme', 'http://billing.example/invoices/7'],
  ['another port', 'https://billing.example:8443/invoices/7'],
  ['an encoded slash', 'https://billing.example/invoices%2F7'],
  ['credentials', 'https://me:x@billing.example/invoices/7'],
  ['no URL', 'invoices/7'],
  ['no URL twice', 'invoices/7', 'invoices/7'],
  ['another kind of URL', 'ftp://b.example/x', 'ftp://b.example/x'],
  ['nothing', ''],
] as const) {
  test(`not one target: ${what}`, () => {
    assert.ok(!isSameTarget(one, other))
    assert.ok(!isSameTarget(other, one))
  })
}

test('the comparable form is what a proof names', () => {
  assert.equal(comparable('HTTPS://B.example:443/a%7e?x#y'), 'https://b.example/a~')
  assert.equal(comparable('nothing'), undefined)
})
