/** An MCP server that knows nothing of tokens: who asks it is what the gateway says. A program of its own. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const mcp = new McpServer({ name: 'billing', version: '1.0.0' })
  mcp.registerTool('whoami', { description: 'says who asks' }, ({ requestInfo }) => ({
    content: [{ type: 'text', text: String(requestInfo?.headers['countersign-client']) }],
  }))
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport as Parameters<typeof mcp.connect>[0])
  await transport.handleRequest(request, response, text === '' ? undefined : JSON.parse(text))
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
