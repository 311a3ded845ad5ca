/** Starts issuer, gateway and the two services, each in a process of its own, as they would run. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const env = { ORDERS_API_SECRET: randomBytes(32).toString('base64url'), ...process.env }
const port = (name: string, usual: string): string => process.env[`${name}_PORT`] ?? usual

const countersign = local('../../packages/server/bin/countersign.js')
const serve = [countersign, 'serve', '--log', 'warn', '--config', local('countersign.yaml')]
const started = [
  start(serve, {}),
  start(['--conditions=source', local('orders.ts')], { PORT: port('ORDERS', '3101') }),
  start(['--conditions=source', local('billing.ts')], { PORT: port('BILLING', '3102') }),
]
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => started.forEach((one) => one.kill()))

function start(parameters: string[], more: Record<string, string>) {
  return spawn(process.execPath, parameters, { env: { ...env, ...more }, stdio: 'inherit' })
}
