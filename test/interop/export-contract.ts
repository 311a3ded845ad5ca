import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { canonicalPath } from '@countersign/sdk/policy'
import type { DecisionRecord } from '../../packages/server/src/gateway/decision/decision.ts'
import type { AuthzProxy, Service, Trust } from '../../packages/server/src/trust/trust.ts'
import { openAuthzStand } from '../gateway/authz-stand.ts'
import type { AuthzStand } from '../gateway/authz-stand.ts'
import { ask, bearer, get, okReply, openUpstream, RawClient, standService } from '../gateway/stand.ts'
import type { ScriptedUpstream } from '../gateway/stand.ts'
import { pathTricks } from './proxy-contract.ts'
import type { RunningProxy } from './real-proxy.ts'

/**
 * What an exported configuration must make of a trust file with several services: the one that is asked is the one that
 * was decided about, for the path that was decided about, with what the file says of its headers.
 */
export function exportContract(name: string, proxy: ExportUnderTest): void {
  describe(`${name}, from the trust file`, { skip: proxy.missing }, () => {
    let stand: AuthzStand
    let upstream: ScriptedUpstream
    let running: RunningProxy
    let port: number

    before(async () => {
      upstream = await openUpstream((socket) => socket.end(okReply('secret', 'Connection: close')))
      const services = servicesAt(upstream.url)
      const [service, ...others] = services
      stand = await openAuthzStand(proxy.kind, { service: service!, services: others })
      running = await proxy.start(trustWith(stand.trust, services, proxy.kind, stand.authzPort))
      port = running.port
    })
    after(async () => {
      await running?.stop()
      await stand?.close()
      await upstream?.close()
    })

    test('each service is found, with its prefix taken off and its own path before the rest', async () => {
      const hosted = { aud: 'https://hosted.acme.example' }
      const front = { aud: 'https://front.acme.example' }
      for (const [request, arrives] of [
        [get('/billing/invoices/7?x=1', bearer(stand.token({ tenant: 'acme' }))), '/v2/invoices/7?x=1'],
        [get('/billing/files/a%20b/c', bearer(stand.token())), '/v2/files/a%20b/c'],
        [get('/billing/health'), '/v2/health'],
        [get('/invoices/7', bearer(stand.token(front))), '/front/invoices/7'],
        [get('/billings'), undefined],
        [hostedGet('/invoices/7', bearer(stand.token(hosted))), '/hosted/invoices/7'],
        [hostedGet('/billing/health'), undefined],
      ] as const) {
        const asked = upstream.requests.length
        const { status } = await ask(port, request)
        const arrived = upstream.requests.slice(asked).map((text) => text.split(' ')[1])
        assert.deepEqual(arrived, arrives === undefined ? [] : [arrives], request)
        assert.equal(status, arrives === undefined ? 404 : 200, request)
      }
    })

    test('what the file says of headers: the token is taken out, and claims are only ours', async () => {
      const forged = [
        ...['X-Tenant: evil', 'Countersign-Roles: ["admin"]', 'Forwarded: for=1.2.3.4'],
        ...['Client-Cert: :evil:', 'Proxy: evil', 'True-Client-IP: evil', 'X-Client-IP: evil'],
      ]
      const token = stand.token({ tenant: 'acme' })
      await ask(port, get('/billing/invoices/7', bearer(token), ...forged))
      const with_ = upstream.requests.at(-1)!
      assert.match(with_, /^x-tenant: acme\r$/im)
      assert.match(with_, /^countersign-roles: \["reader"\]\r$/im)
      assert.match(with_, new RegExp(`^host: ${new URL(upstream.url).host}\r$`, 'im'))
      assert.doesNotMatch(with_, /^authorization|evil/im)
      await ask(port, get('/billing/invoices/7', bearer(stand.token()), ...forged))
      assert.doesNotMatch(upstream.requests.at(-1)!, /x-tenant/i)
      await ask(port, get('/billing/health', bearer('no.good.token'), ...forged))
      assert.doesNotMatch(upstream.requests.at(-1)!, /^authorization|x-tenant|countersign-/im)
    })

    test('no spelling of a path or a host reaches another service, or another path, than was decided about', async () => {
      const tokens = [
        [],
        [bearer(stand.token())],
        [bearer(stand.token({ aud: 'https://front.acme.example' }))],
        [bearer(stand.token({ aud: 'https://hosted.acme.example' }))],
      ]
      for (const path of [...pathTricks, ...moreTricks]) {
        for (const host of [
          'gateway.test',
          'hosted.acme.example',
          'HOSTED.acme.example',
          'hosted.acme.example.',
        ]) {
          for (const headers of tokens) {
            const [asked, decided] = [upstream.requests.length, stand.decisions.length]
            const client = new RawClient(port)
            await client
              .send(get(path, ...headers, 'Connection: close').replace('gateway.test', host))
              .reply()
              .catch(() => undefined)
            client.destroy()
            const decisions = stand.decisions.slice(decided).filter(({ outcome }) => outcome === 'allow')
            for (const [index, request] of upstream.requests.slice(asked).entries()) {
              const decision = decisions[index]
              const target = request.split(' ')[1]!
              assert.ok(decision !== undefined, `${host}${path} arrived as ${target}, and nobody decided`)
              const canonical = canonicalPath(target)
              assert.ok('path' in canonical, `${path} arrived as ${target}`)
              assert.equal(canonical.path, arrivalOf(decision), `${host}${path} arrived as ${target}`)
            }
          }
        }
      }
    })
  })
}

export type ExportUnderTest = {
  readonly kind: AuthzProxy
  /** Why it cannot be tested here. */
  readonly missing: string | false
  start(trust: Trust): Promise<RunningProxy>
}

/** The trust file of a stand, with a decision endpoint where it listens. */
export function trustWith(
  made: Trust,
  services: readonly Service[],
  proxy: AuthzProxy,
  authzPort: number,
): Trust {
  const authz = [{ proxy, listen: { host: '127.0.0.1', port: authzPort }, peers: [] }]
  const byName = new Map(services.map((service) => [service.name, service]))
  return { ...made, gateway: { ...made.gateway!, authz }, services: byName }
}

function servicesAt(url: string): readonly Service[] {
  return [
    standService(`${url}/v2`, { claimHeaders: new Map([['X-Tenant', 'tenant']]), token: 'remove' }),
    standService(`${url}/front`, { name: 'front', audience: 'https://front.acme.example', at: '/' }),
    standService(`${url}/hosted`, {
      name: 'hosted',
      audience: 'https://hosted.acme.example',
      at: undefined,
      host: 'hosted.acme.example',
    }),
  ]
}

/** What the service that was decided about is asked for. */
function arrivalOf({ service, path }: Pick<DecisionRecord, 'service' | 'path'>): string {
  return service === 'billing' ? `/v2${path!.slice('/billing'.length) || '/'}` : `/${service}${path}`
}

function hostedGet(target: string, ...headers: string[]): string {
  return get(target, ...headers).replace('gateway.test', 'hosted.acme.example')
}

const moreTricks = [
  '/%62illing/invoices/7',
  '/billin%67/invoices/7',
  '/billing%2finvoices/7',
  '/x/../billing/invoices/7',
  '/invoices/../billing/invoices/7',
  '/billing/../invoices/7',
  '/billing/%2e%2e/invoices/7',
  '/billing/..;/invoices/7',
  '/billing;x/invoices/7',
  '/billing%00/invoices/7',
  '/./billing/invoices/7',
  '//invoices/7',
  '/Billing/invoices/7',
  '/billing?/../invoices/7',
  'http://hosted.acme.example/invoices/7',
  'http://gateway.test/invoices/7',
]
