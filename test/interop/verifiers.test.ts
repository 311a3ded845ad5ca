/** Other people's verifiers, and ours, across a rotation of keys. */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { rotationTiming } from '../../packages/server/src/issuer/keys/rotation-timing.ts'
import { ordersSecret, startIssuer } from '../issuer/fixture.ts'
import { independentVerifiers } from '../issuer/verifiers.ts'

const { leadSeconds, cacheSeconds } = rotationTiming({
  rotateEverySeconds: 36_000,
  tokenLifetimeSeconds: 300,
})

test('jose, jwks-rsa, aws-jwt-verify and our own take tokens of the old key and of the new one', async (t) => {
  mock.timers.enable({ apis: ['Date'], now: Date.now() })
  t.after(() => mock.timers.reset())
  const fixture = await startIssuer({ clock: () => Date.now() })
  t.after(() => fixture.close())
  const advance = async (seconds: number): Promise<void> => {
    mock.timers.setTime(Date.now() + seconds * 1000)
    await fixture.issuer.keyRing.refresh()
  }
  const token = async (): Promise<string> =>
    String(
      (await fixture.ask(`grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`))
        .json['access_token'],
    )
  const keyIdOf = (text: string): unknown =>
    JSON.parse(Buffer.from(text.split('.')[0]!, 'base64url').toString())['kid']

  const known = independentVerifiers(fixture.url, cacheSeconds)
  const allTake = async (text: string, verifiers = known): Promise<void> => {
    for (const [name, verify] of Object.entries(verifiers)) await assert.doesNotReject(verify(text), name)
  }
  await allTake(await token())

  await fixture.issuer.keyRing.rotate()
  await advance(leadSeconds - 10)
  const last = await token()
  await advance(20)
  const first = await token()
  assert.notEqual(keyIdOf(first), keyIdOf(last))
  await allTake(first)
  await allTake(last)
  // Who begins to verify only now knows the old key as well.
  await allTake(last, independentVerifiers(fixture.url, cacheSeconds))
  await advance(270)
  await allTake(last, independentVerifiers(fixture.url, cacheSeconds))

  // And what is no good is taken by none of them.
  const [head, payload, signature] = first.split('.')
  for (const forged of [`${head}.${payload}.${signature!.slice(0, -8)}AAAAAAAA`, last]) {
    if (forged === last) await advance(60)
    for (const [name, verify] of Object.entries(known)) await assert.rejects(verify(forged), name)
  }
})
