/** An agent made of the MCP SDK alone: it is told a URL, a client id and a secret, and finds out the rest by itself. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const [url = '', expectedIssuer = '', clientId = '', clientSecret = ''] = process.argv.slice(2)
const authProvider = new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer })
const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider })
const agent = new Client({ name: 'agent', version: '1.0.0' })
await agent.connect(transport as Parameters<typeof agent.connect>[0])
const { content } = await agent.callTool({ name: 'whoami', arguments: {} })
console.log((content as { text: string }[])[0]?.text)
await agent.close()
