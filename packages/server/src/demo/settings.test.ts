import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isProblem } from '@countersign/sdk/core'
import { defaultPorts, readDemoSettings } from './settings.ts'

test('without flags and environment: the tutorial’s ports, a folder of its own, random secrets', () => {
  const settings = readDemoSettings({ cwd: '/srv/app' })
  assert.deepEqual(settings.ports, {
    issuer: 8080,
    gateway: 9001,
    provider: 8090,
    secret: 9101,
    billing: 9102,
  })
  assert.equal(settings.folder, '/srv/app/.countersign/demo')
  assert.equal(settings.tutorialKey, undefined)
  assert.deepEqual(settings.clientSecrets, { orders: undefined, backoffice: undefined })
})

test('a flag wins over the environment, the environment over the default', () => {
  const env = { COUNTERSIGN_DEMO_ISSUER_PORT: '9000', COUNTERSIGN_DEMO_GATEWAY_PORT: '9002' }
  const { ports } = readDemoSettings({ flags: { gateway: '9003' }, env })
  assert.deepEqual(ports, { ...defaultPorts, issuer: 9000, gateway: 9003 })
})

test('the folder and the secrets come from the environment', () => {
  const settings = readDemoSettings({
    env: { COUNTERSIGN_DEMO_FOLDER: 'here', SECRET_KEY: 'unicorns', ORDERS_SECRET: 'of the orders' },
    cwd: '/srv',
  })
  assert.equal(settings.folder, '/srv/here')
  assert.equal(settings.tutorialKey?.revealText(), 'unicorns')
  assert.equal(settings.clientSecrets.orders?.revealText(), 'of the orders')
})

for (const text of ['', '0', '65536', '-1', '80.5', '0x50', 'http', '123456', ' 80']) {
  test(`${JSON.stringify(text)} is not a port`, () => {
    assert.throws(
      () => readDemoSettings({ flags: { issuer: text } }),
      (error) => isProblem(error) && error.code === 'demo-port' && error.message.includes('--issuer-port'),
    )
    assert.throws(
      () => readDemoSettings({ env: { COUNTERSIGN_DEMO_BILLING_PORT: text } }),
      (error) => isProblem(error) && error.message.includes('COUNTERSIGN_DEMO_BILLING_PORT'),
    )
  })
}

test('the algorithm comes from the flag, then the environment, and must be one to sign with', () => {
  const env = { COUNTERSIGN_DEMO_ALGORITHM: 'Ed448' }
  assert.equal(readDemoSettings({}).algorithm, 'ES256')
  assert.equal(readDemoSettings({ env }).algorithm, 'Ed448')
  assert.equal(readDemoSettings({ env, algorithm: 'PS256' }).algorithm, 'PS256')
  for (const name of ['HS256', 'none', 'es256', '']) {
    assert.throws(
      () => readDemoSettings({ algorithm: name }),
      (error) => isProblem(error) && error.code === 'demo-algorithm',
    )
  }
})

test('two listeners cannot have one port', () => {
  assert.throws(
    () => readDemoSettings({ flags: { gateway: '8080' } }),
    (error) => isProblem(error) && error.message === '--issuer-port and --gateway-port are both 8080',
  )
})

for (const name of ['SECRET_KEY', 'ORDERS_SECRET', 'BACKOFFICE_SECRET']) {
  test(`${name} set but empty is an error, not a random secret`, () => {
    for (const text of ['', '  ']) {
      assert.throws(
        () => readDemoSettings({ env: { [name]: text } }),
        (error) =>
          isProblem(error) && error.code === 'demo-secret' && error.next?.includes(`unset ${name}`) === true,
      )
    }
  })
}
