import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVerifier } from '@countersign/sdk/jwt'
import { ordersSecret, settings, startIssuer } from '../issuer/fixture.ts'

const fiveMinutesMs = 5 * 60_000
const body = 'grant_type=client_credentials&client_id=orders'

// A clock that is wrong makes good tokens look wrong, and there is no help against that. What must not happen: that bad ones
// look good, that anything stays broken once the clock is right again, or that keys turn because of it.
for (const stepMs of [fiveMinutesMs, -fiveMinutesMs]) {
  test(`a clock that is ${stepMs > 0 ? 'five minutes ahead' : 'set back by five minutes'} for a while`, async (t) => {
    const fixture = await startIssuer({
      settings: settings('https://issuer.example', {
        tokens: { lifetimeSeconds: 240 },
        limits: { client: { perSecond: 1, burst: 20 }, address: { perSecond: 10, burst: 100 } },
      }),
    })
    t.after(() => fixture.close())
    const verifier = createVerifier({
      issuer: 'https://issuer.example',
      audience: 'https://billing.acme.example',
      keySet: fixture.issuer.keySet,
      clock: () => fixture.clock.nowMs,
    })
    const ask = (secret = ordersSecret) => fixture.ask(`${body}&client_secret=${secret}`)
    const token = async (): Promise<string> => {
      const { status, json, body: text } = await ask()
      assert.equal(status, 200, text)
      return String(json['access_token'])
    }
    const verdict = async (text: string) => {
      const outcome = await verifier.verify(text)
      return outcome.kind === 'verified' ? 'good' : outcome.denial.reason
    }
    const keyIds = () =>
      fixture.issuer.keyRing.describe(fixture.clock.nowMs).map(({ keyId, state }) => `${keyId} ${state}`)
    const move = async (ms: number): Promise<void> => {
      fixture.clock.nowMs += ms
      await fixture.issuer.keyRing.refresh()
    }

    const before = await token()
    const keysBefore = keyIds()
    assert.equal(await verdict(before), 'good')
    // Somebody who guesses has used up all tries, and somebody who is greedy all tokens.
    for (let count = 0; count < 40; count++) await ask('wrong')
    while ((await ask('wrong')).status !== 429);

    await move(stepMs)
    assert.equal(await verdict(before), stepMs > 0 ? 'token-expired' : 'token-premature')
    assert.deepEqual(keyIds(), keysBefore, 'keys turn because of a step')
    assert.equal((await fixture.send('GET', '/readyz')).status, 200)
    // Who has to wait, waits as long as always: a minute pays off all that was owed.
    await move(61_000)
    const during = await token()
    assert.equal(await verdict(during), 'good')

    await move(-stepMs)
    assert.equal(await verdict(before), 'good')
    assert.equal(await verdict(during), stepMs > 0 ? 'token-premature' : 'token-expired')
    await move(10_000)
    assert.equal(await verdict(await token()), 'good')
    assert.deepEqual(keyIds(), keysBefore)
    assert.equal((await fixture.send('GET', '/readyz')).status, 200)
  })
}
