/** An agent that is a client of its own: it has no person to log in, and gets tokens as any service does. */
import { readFileSync } from 'node:fs'
// In a project of yours: '@countersign/sdk/client'. In this clone the sdk is found by a condition, "source", which a
// dependency of the MCP SDK has as well and cannot be run by.
import { createTokenSource } from '../../packages/sdk/src/client.ts'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const service = process.env['SERVICE'] ?? 'http://127.0.0.1:3000'
const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080',
  clientId: 'orders',
  clientSecret: process.env['ORDERS_SECRET'] ?? readFileSync('.countersign/demo/orders.secret', 'utf8'),
  audience: 'https://billing.acme.example',
})

const agent = new Client({ name: 'agent', version: '1.0.0' })
const transport = new StreamableHTTPClientTransport(new URL(`${service}/mcp`), { fetch: billing.fetch })
await agent.connect(transport as Parameters<typeof agent.connect>[0])
const { content } = await agent.callTool({ name: 'invoice', arguments: {} })
console.log((content as { text: string }[])[0]?.text)
await agent.close()

const refused = await fetch(`${service}/mcp`, { method: 'POST', body: '{}' })
console.log(`without a token: ${refused.status}, ${refused.headers.get('www-authenticate')}`)
