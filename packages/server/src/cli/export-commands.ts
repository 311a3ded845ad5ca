import type { Command } from 'commander'
import type { AddCommand } from './program.ts'

/** The commands that tell others what the trust file says: proxies, and whoever speaks to the admin API. */
export function addExportCommands(program: Command, command: AddCommand): void {
  const exported = program.command('export').description('what others are configured with')
  command(
    exported,
    'envoy',
    'print configuration for Envoy, which asks the gateway',
    () => import('./commands/export-envoy.ts'),
  )
    .option('--listen <address>', 'what it listens on; 80 unless given')
    .option('--authz <address>', authzOption)
  command(
    exported,
    'istio',
    'print resources for Istio, whose ingress asks the gateway',
    () => import('./commands/export-istio.ts'),
  )
    .option('--authz <address>', 'where the gateway is, as host:port of the cluster')
    .option('--gateway <name>', 'the Gateway that routes belong to, as namespace/name')
    .option('--host <name>', 'the host name of services that have a path')
  command(
    exported,
    'haproxy',
    'print configuration for HAProxy, which asks the gateway',
    () => import('./commands/export-haproxy.ts'),
  )
    .option('--listen <address>', 'what stands behind bind; 80 unless given')
    .option('--authz <address>', authzOption)
    .option('--lua', 'print countersign.lua instead, which the configuration loads')
  command(
    exported,
    'nginx',
    'print configuration for nginx, which asks the gateway',
    () => import('./commands/export-nginx.ts'),
  )
    .option('--listen <address>', 'what its servers listen on; 80 unless given')
    .option('--authz <address>', authzOption)
  command(
    exported,
    'traefik',
    'print configuration for Traefik, which asks the gateway',
    () => import('./commands/export-traefik.ts'),
  )
    .option('--entry-point <name>', 'the entry point of its routers; web unless given')
    .option('--authz <address>', authzOption)
  command(
    exported,
    'openapi',
    'print the admin API’s OpenAPI document',
    () => import('./commands/export-openapi.ts'),
  )
}

const authzOption =
  'where the gateway is, seen from there, as host:port; the trust file’s address unless given'
