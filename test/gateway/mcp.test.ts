import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { freePort } from '../machine/free-port.ts'

const secret = 'a-secret-of-at-least-thirty-two-characters'

test('an agent of the MCP SDK finds its way through the gateway by itself', async (t) => {
  const upstream = await startProgram(t, 'mcp-server.ts')
  const [issuerPort, gatewayPort] = [await freePort(), await freePort()]
  const issuer = `http://127.0.0.1:${issuerPort}`
  const resource = `http://127.0.0.1:${gatewayPort}/mcp`
  const text = `
issuer:
  url: ${issuer}
  listen: 127.0.0.1:${issuerPort}
  store: 'memory:'
gateway:
  listen: 127.0.0.1:${gatewayPort}
services:
  tools:
    audience: ${resource}
    roles: [agent]
    upstream: http://127.0.0.1:${upstream}
    at: /mcp
    routes:
      GET /: { roles: agent }
      POST /: { roles: agent }
      DELETE /: { roles: agent }
clients:
  agent:
    authenticate: { secret: { env: AGENT_SECRET } }
    may: { tools: { roles: [agent] } }
  stranger:
    authenticate: { secret: { env: AGENT_SECRET } }
    may: {}
`
  const reading = readTrust(text, { file: 'mcp.yaml', env: { AGENT_SECRET: secret }, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  const servers = await startServers({ trust: reading.trust, drainMs: 200 })
  t.after(() => servers.close())

  assert.equal(await agent(resource, issuer, 'agent', secret), 'agent\n')
  await assert.rejects(
    agent(resource, issuer, 'agent', 'another-secret-of-thirty-two-characters'),
    /InvalidClientError/,
  )
  await assert.rejects(agent(resource, issuer, 'stranger', secret), /UnauthorizedClientError/)
})

/** A condition named "source" is also had by a package the SDK needs, so these run without it. */
async function agent(...args: string[]): Promise<string> {
  const file = fileURLToPath(new URL('mcp-agent.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { timeout: 60_000 })
  return stdout
}

async function startProgram(t: { after(end: () => unknown): void }, name: string): Promise<number> {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    child.kill()
    await once(child, 'exit')
  })
  const [line] = await once(child.stdout, 'data')
  return Number(String(line))
}
