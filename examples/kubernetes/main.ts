/** Plays the cluster: it signs projected tokens, and runs orders.ts as a pod would. The issuer is the real one. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startTestIssuer } from '@countersign/sdk/testing'

const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'countersign-kubernetes-'))
const port = process.env['ISSUER_PORT'] ?? '8280'
const issuer = `http://localhost:${port}`

await using cluster = await startTestIssuer({ audience: issuer })
const trust = readFileSync(local('countersign.yaml'), 'utf8')
  .replace('https://kubernetes.default.svc.cluster.local', cluster.url)
  .replaceAll(':8280', `:${port}`)
writeFileSync(join(folder, 'countersign.yaml'), trust)

const countersign = local('../../packages/server/bin/countersign.js')
const serve = spawn(
  process.execPath,
  [countersign, 'serve', '--log', 'error', '--config', join(folder, 'countersign.yaml')],
  { stdio: ['ignore', 'ignore', 'inherit'] },
)
try {
  while ((await fetch(`${issuer}/readyz`).catch(() => undefined))?.ok !== true) {
    if (serve.exitCode !== null) throw new Error('the issuer did not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await runPod('shop', 'orders')
  await runPod('shop', 'somebody-else')
} finally {
  serve.kill()
  rmSync(folder, { recursive: true })
}

/** As the kubelet does: the token stands in a file, and the program is told nothing else. */
async function runPod(namespace: string, account: string): Promise<void> {
  const file = join(folder, 'token')
  const claims = { 'kubernetes.io': { namespace, serviceaccount: { name: account } }, client_id: undefined }
  const subject = `system:serviceaccount:${namespace}:${account}`
  writeFileSync(file, cluster.token({ subject, claims, dangerouslyHeader: { typ: undefined } }))
  console.log(`a pod of ${subject}:`)
  const pod = spawn(process.execPath, ['--conditions=source', local('orders.ts')], {
    env: { ...process.env, ISSUER: issuer, TOKEN_FILE: file },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await new Promise((resolve) => pod.once('close', resolve))
}
