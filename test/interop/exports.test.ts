/** What `countersign export` writes, in the real proxies. nginx has a test of its own. */
import { spawnSync } from 'node:child_process'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { exportEnvoy } from '../../packages/server/src/export/envoy.ts'
import { exportHaproxy } from '../../packages/server/src/export/haproxy.ts'
import { exportTraefik } from '../../packages/server/src/export/traefik.ts'
import type { Trust } from '../../packages/server/src/trust/trust.ts'
import { standService, standTrust } from '../gateway/stand.ts'
import { exportContract, trustWith } from './export-contract.ts'
import type { ExportUnderTest } from './export-contract.ts'
import { proxyContract } from './proxy-contract.ts'
import type { ProxyUnderTest } from './proxy-contract.ts'
import { prepareProxies, startProxy } from './real-proxy.ts'

const haproxy = ['/usr/sbin/haproxy', 'haproxy'].find((path) => spawnSync(path, ['-v']).status === 0)

underBoth('HAProxy', {
  kind: 'haproxy',
  missing: haproxy === undefined ? 'HAProxy is not installed' : false,
  withoutKeys: 503,
  alone: 503,
  start: (trust) =>
    startProxy(
      haproxy!,
      (port, folder) => {
        const { config, lua } = exportHaproxy(trust, { listen: `127.0.0.1:${port}` })
        writeFileSync(
          join(folder, 'countersign.lua'),
          patient(lua, 'timeout_ms = 2000', 'timeout_ms = 60000'),
        )
        writeFileSync(join(folder, 'haproxy.cfg'), config)
        const checked = spawnSync(haproxy!, ['-c', '-f', 'haproxy.cfg'], { cwd: folder, encoding: 'utf8' })
        assert.equal(checked.status, 0, checked.stderr)
        assert.doesNotMatch(checked.stderr, /WARNING/)
        return ['-db', '-f', 'haproxy.cfg']
      },
      { answerMs: 5_000 },
    ),
})

const { missing, folder: proxies } = prepareProxies()

underBoth('Envoy', {
  kind: 'envoyGrpc',
  missing,
  withoutKeys: 503,
  alone: 503,
  start: (trust) =>
    startProxy(join(proxies, 'envoy/_bin/envoy'), (port, folder) => {
      const config = exportEnvoy(trust, { listen: `127.0.0.1:${port}` })
      writeFileSync(join(folder, 'envoy.yaml'), patient(config, 'timeout: 2s', 'timeout: 60s'))
      return envoyArguments(join(folder, 'envoy.yaml'))
    }),
})

// What Istio makes of the extension provider: an authority of its own spelling, and repeated headers joined.
proxyContract('Envoy, as Istio sets it up,', {
  kind: 'envoyGrpc',
  missing,
  withoutKeys: 503,
  alone: 503,
  start: ({ upstream, authz }) =>
    startProxy(join(proxies, 'envoy/_bin/envoy'), (port, folder) => {
      const bootstrap = parse(
        exportEnvoy(trustOf('envoyGrpc', upstream, authz), { listen: `127.0.0.1:${port}` }),
      )
      const { typed_config: settings } = bootstrap.static_resources.listeners[0].filter_chains[0].filters[0]
      const { typed_config: filter } = settings.http_filters[0]
      filter.grpc_service.envoy_grpc.authority = 'outbound_.9003_._.countersign.auth.svc.cluster.local'
      filter.grpc_service.timeout = '60s'
      delete filter.encode_raw_headers
      writeFileSync(join(folder, 'envoy.json'), JSON.stringify(bootstrap))
      return envoyArguments(join(folder, 'envoy.json'))
    }),
})

underBoth('Traefik', {
  kind: 'traefik',
  missing,
  withoutKeys: 503,
  alone: 500,
  start: (trust) =>
    startProxy(
      join(proxies, 'bin/traefik'),
      (port, folder) => {
        writeFileSync(join(folder, 'dynamic.yaml'), exportTraefik(trust))
        return [
          `--entryPoints.web.address=127.0.0.1:${port}`,
          '--entryPoints.web.http.underscoreHeadersStrategy=delete',
          `--providers.file.filename=${join(folder, 'dynamic.yaml')}`,
          '--global.checkNewVersion=false',
          '--global.sendAnonymousUsage=false',
        ]
      },
      { readyAt: '/billing/nowhere' },
    ),
})

/** Proxy, gateway and service share one machine here, which may pause for longer than an answer may take elsewhere. */
function patient(config: string, limit: string, longer: string): string {
  assert.ok(config.includes(limit), `there is no ${limit}`)
  return config.replace(limit, longer)
}

function envoyArguments(file: string): readonly string[] {
  return ['--config-path', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning']
}

/** With the trust file of a service that stands where its prefix is, so that what arrives is what was asked for. */
function underBoth(
  name: string,
  proxy: ExportUnderTest & Pick<ProxyUnderTest, 'alone' | 'withoutKeys'>,
): void {
  exportContract(name, proxy)
  proxyContract(`${name}, by an exported configuration,`, {
    ...proxy,
    start: ({ upstream, authz }) => proxy.start(trustOf(proxy.kind, upstream, authz)),
  })
}

function trustOf(kind: ExportUnderTest['kind'], upstream: number, authz: number): Trust {
  const service = standService(`http://127.0.0.1:${upstream}/billing`)
  return trustWith(standTrust('http://127.0.0.1:1'), [service], kind, authz)
}
