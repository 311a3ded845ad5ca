import express from 'express'
import { createGuard } from '@countersign/sdk/guard'
import { createResourceMetadata, guardMcp } from '@countersign/sdk/mcp'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

const issuer = process.env['ISSUER'] ?? 'http://localhost:8080'
const resource = 'https://billing.acme.example'
const metadata = createResourceMetadata({ resource, issuers: [issuer] })
const guard = createGuard({ issuer, audience: resource, resourceMetadata: metadata.url })

const app = express()
app.get(metadata.path, metadata.listener)
app.post('/mcp', guardMcp(guard, { roles: 'reader' }), express.json(), async (req, res) => {
  const server = new McpServer({ name: 'billing', version: '1.0.0' })
  server.registerTool('invoice', { description: 'reads invoice 7' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `invoice 7 for ${authInfo?.clientId}` }],
  }))
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  await server.connect(transport)
  await transport.handleRequest(req, res, req.body)
})

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
