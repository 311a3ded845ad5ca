import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { buildSchema, graphql, GraphQLError } from 'graphql'
import { createGuard } from '@countersign/sdk/guard'
import { guardGraphql } from '@countersign/sdk/graphql'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const needs = guardGraphql(guard, GraphQLError)
const readers = needs({ roles: 'reader' })

const schema = buildSchema('type Query { health: String, invoice(id: ID!): String }')
const rootValue = {
  health: () => 'ok',
  invoice: ({ id }: { id: string }, { req }: { req: IncomingMessage }) =>
    readers(req, (auth) => `invoice ${id} for ${auth.subject}`),
}

// What a server of GraphQL does, such as Yoga or Apollo: it gives the request to the context.
const server = createServer(async (req, res) => {
  let text = ''
  for await (const chunk of req.setEncoding('utf8')) text += String(chunk)
  const { query } = JSON.parse(text) as { query: string }
  const answer = await graphql({ schema, rootValue, source: query, contextValue: { req } })
  res.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer))
})
server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
