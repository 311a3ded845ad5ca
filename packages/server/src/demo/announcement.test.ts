import { test } from 'node:test'
import assert from 'node:assert/strict'
import { announcement, peopleAnnouncement } from './announcement.ts'
import { defaultPorts, readDemoSettings } from './settings.ts'

const secrets = {
  SECRET_KEY: 'key-5512',
  ORDERS_SECRET: 'key-6623',
  BACKOFFICE_SECRET: 'key-7734',
}

test('with the usual ports the commands are the tutorial’s, and short', () => {
  const text = announcement(readDemoSettings({ cwd: '/srv/app' }), '/srv/app')
  assert.match(text, /^ {2}cd \/srv\/app$/m)
  assert.match(text, /^ {2}curl http:\/\/localhost:9001$/m)
  assert.match(text, /^ {2}curl http:\/\/localhost:8080$/m)
  assert.match(text, /\$\(cat \.countersign\/demo\/orders\.secret\)/)
  assert.match(text, /npx countersign demo --print-trust$/m)
})

test('no secret is in it', () => {
  const settings = readDemoSettings({ env: secrets, cwd: '/srv/app' })
  const text = announcement(settings, '/srv/app') + peopleAnnouncement(settings, true)
  for (const secret of Object.values(secrets)) assert.ok(!text.includes(secret))
})

test('other ports are in every address and every command', () => {
  const ports = { issuer: 1001, gateway: 1002, provider: 1003, secret: 1004, billing: 1005 }
  const settings = { ...readDemoSettings({ cwd: '/srv/app' }), ports }
  const text = announcement(settings, '/srv/app') + peopleAnnouncement(settings, true)
  for (const port of Object.values(defaultPorts)) assert.ok(!text.includes(String(port)), String(port))
  assert.match(text, /login alice --provider-port 1003\)/)
  assert.match(text, /--print-trust --issuer-port 1001 --gateway-port 1002/)
})

test('folders elsewhere are named in full, and quoted where a shell needs it', () => {
  const settings = readDemoSettings({
    env: { COUNTERSIGN_DEMO_FOLDER: "/srv/it's here" },
    cwd: '/srv/my app',
  })
  const text = announcement(settings, '/srv/my app')
  assert.match(text, /cd '\/srv\/my app'$/m)
  assert.ok(text.includes(String.raw`$(cat '/srv/it'\''s here/orders.secret')`))
})

test('without the identity provider there is one line about it', () => {
  const text = peopleAnnouncement({ ports: defaultPorts }, false)
  assert.equal(text.trim().split('\n').length, 1)
  assert.match(text, /oidc-provider is not installed/)
})
