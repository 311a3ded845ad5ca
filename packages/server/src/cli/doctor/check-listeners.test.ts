import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { listenOn, openStand, standTrust } from '../../../../../test/gateway/stand.ts'
import { checkListeners, reach } from './check-listeners.ts'

test('our gateway, nobody yet, somebody else, nowhere', async (t) => {
  const stand = await openStand('http://127.0.0.1:1')
  const other = createServer((_request, response) => response.writeHead(404).end())
  t.after(async () => {
    other.close()
    await stand.close()
  })
  const at = async (host: string, port: number): Promise<string> => {
    const made = standTrust('http://127.0.0.1:1')
    const trust = { ...made, gateway: { ...made.gateway!, listen: { host, port } } }
    const [found] = await checkListeners(trust, undefined)
    return `${found!.verdict} ${found!.text.replaceAll(/\d+\.\d+\.\d+\.\d+:\d+/g, 'PLACE')}`
  }
  assert.equal(await at('127.0.0.1', stand.port), 'pass answers at PLACE')
  assert.equal(await at('127.0.0.1', await freePort()), 'warn nobody listens at PLACE yet')
  assert.equal(
    await at('127.0.0.1', await listenOn(other)),
    'fail PLACE is taken by something that is not ours',
  )
  // An address for documents (RFC 5737), which no machine has.
  assert.match(await at('192.0.2.7', 9001), /^fail PLACE cannot be listened on \(EADDRNOTAVAIL\)$/)
})

test('only the part that is asked for', async () => {
  const trust = standTrust('http://127.0.0.1:1', { remoteIssuer: 'http://localhost:1' })
  const names = async (only: 'issuer' | 'gateway' | undefined) =>
    (await checkListeners(trust, only)).map(({ check }) => check)
  assert.deepEqual(await names(undefined), ['listen issuer', 'listen gateway'])
  assert.deepEqual(await names('issuer'), ['listen issuer'])
  assert.deepEqual(await names('gateway'), ['listen gateway'])
})

test('whether somebody is there', async (t) => {
  const server = createServer()
  t.after(() => server.close())
  assert.equal(await reach('127.0.0.1', await listenOn(server)), undefined)
  assert.equal(await reach('127.0.0.1', await freePort()), 'ECONNREFUSED')
})
