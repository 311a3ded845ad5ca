import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { headerFate, isHopByHop } from './header-names.ts'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

test('ordinary headers are passed on, in any case', () => {
  for (const name of ['Accept', 'accept', 'X-Request-Id', 'Cookie', 'Range', 'X-Tenant', 'Origin']) {
    assert.equal(headerFate(name), 'forward', name)
  }
  assert.equal(headerFate('Authorization'), 'forward-once')
  assert.equal(headerFate('CONTENT-TYPE'), 'forward-once')
  // Only well formed, or as a span of ours.
  assert.equal(headerFate('TraceParent'), 'trace')
})

test('what a client must not say is dropped, in any spelling', () => {
  const names = [
    'Countersign-Subject',
    'countersign-roles',
    'COUNTERSIGN-ANYTHING',
    'Countersign_Subject',
    'countersign.subject',
    'X-Forwarded-For',
    'x-forwarded-prefix',
    'X_Forwarded_Proto',
    'Forwarded',
    'X-Real-IP',
    'X-Original-URI',
    'x-original-method',
    'X-Envoy-Original-Path',
    'X-Rewrite-URL',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'Proxy',
    'Remote_Groups',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Proxy-Authorization',
    'HTTP2-Settings',
    'Expect',
    'X~User',
  ]
  for (const name of names) assert.equal(headerFate(name), 'drop', name)
})

test('the fate of a name does not depend on how many other names were seen', () => {
  for (let i = 0; i < 5_000; i++) headerFate(`X-Filler-${i}`)
  assert.equal(headerFate('CounterSign-Subject'), 'drop')
  assert.equal(headerFate('X-Never-Seen'), 'forward')
  assert.equal(headerFate('aUTHORIZATION'), 'forward-once')
})

test('hop-by-hop headers are those of RFC 9110 §7.6.1', () => {
  assert.equal(isHopByHop('te'), true)
  assert.equal(isHopByHop('connection'), true)
  assert.equal(isHopByHop('cookie'), false)
})

// Each in a module of its own, whose memory of names is empty: in a full one nothing more would be kept anyway.
for (const [what, count, length] of [
  ['long', 2_000, 20_000],
  ['many', 200_000, 60],
] as const) {
  test(`names that clients invent cost no memory, be they ${what}`, async () => {
    const { headerFate: fate } = (await import(`./header-names.ts?${what}`)) as {
      headerFate: typeof headerFate
    }
    assert.notEqual(fate, headerFate)
    fate('x-warm')
    collect()
    const before = process.memoryUsage()
    for (let i = 0; i < count; i++) assert.equal(fate(inventedName(i, length)), 'forward')
    collect()
    const { heapUsed, external } = process.memoryUsage()
    const more = heapUsed + external - before.heapUsed - before.external
    assert.ok(more < 2_000_000, `${Math.round(more / 1000)} kB more than before`)
  })
}

/** As the parser makes it: text of its own, and no piece of a longer one or of two. */
function inventedName(index: number, length: number): string {
  return Buffer.alloc(length, `x-${index}-`).toString('latin1')
}
