import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isProblem } from '@countersign/sdk/core'
import { inspectToken } from '@countersign/sdk/jwt'
import { billingAudience, otherAudience } from '../../demo/people.ts'
import { createProvider } from '../../demo/provider.ts'
import type { Context } from '../context.ts'
import { run } from './demo-login.ts'

let listener: RequestListener
const server = createServer((req, res) => listener(req, res))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const providerPort = String((server.address() as AddressInfo).port)
const created = await createProvider(`http://localhost:${providerPort}`)
assert.ok(created, 'oidc-provider is installed in this repository')
listener = created
after(() => server.close())

test('it prints the token and nothing else', async () => {
  const printed = await login({ providerPort }, 'alice')
  assert.equal(printed.length, 1)
  const { claims } = inspectToken(printed[0]!)
  assert.equal(claims?.['sub'], 'alice')
  assert.equal(claims?.['aud'], billingAudience)
})

test('the audience and the port can be said in other ways', async () => {
  const printed = await login({ audience: otherAudience }, 'bob', {
    COUNTERSIGN_DEMO_PROVIDER_PORT: providerPort,
  })
  assert.equal(inspectToken(printed[0]!).claims?.['aud'], otherAudience)
})

test('--json prints what a token endpoint would', async () => {
  const [line = ''] = await login({ providerPort }, 'alice', {}, true)
  const { access_token: accessToken, token_type: type } = JSON.parse(line)
  assert.equal(inspectToken(accessToken).claims?.['sub'], 'alice')
  assert.equal(type, 'Bearer')
})

test('who is not there is refused, and nothing is printed', async () => {
  await assert.rejects(
    login({ providerPort }, 'mallory'),
    (error) => isProblem(error) && error.code === 'login-refused',
  )
})

async function login(
  flags: Parameters<typeof run>[1],
  user: string,
  env: Record<string, string> = {},
  json = false,
): Promise<string[]> {
  const printed: string[] = []
  const terminal = { print: (text: string) => void printed.push(text) } as Context['terminal']
  assert.equal(await run({ terminal, env, cwd: process.cwd(), json, config: undefined }, flags, user), 0)
  return printed
}
