import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { buildSchema, graphql, GraphQLError } from 'graphql'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { listen } from '../../../../test/guard/listen.ts'
import { guardGraphql } from './graphql.ts'

const issuer = createTestIssuer()
const needs = guardGraphql(issuer.guard(), GraphQLError)
const anybody = needs('authenticated')
const readers = needs({ roles: 'reader' })

type Context = { readonly req: IncomingMessage }

const schema = buildSchema('type Query { open: String, me: String, invoice(id: ID!): String }')
const rootValue = {
  open: () => 'open',
  me: async (_: object, { req }: Context) => (await anybody(req)).subject,
  invoice: async ({ id }: { id: string }, { req }: Context) => `${id} for ${(await readers(req)).subject}`,
}
const { port, close } = await listen(
  createServer(async (req, res) => {
    let source = ''
    for await (const chunk of req.setEncoding('utf8')) source += chunk
    const result = await graphql({ schema, rootValue, source, contextValue: { req } satisfies Context })
    res.setHeader('Content-Type', 'application/json').end(JSON.stringify(result))
  }),
)
after(close)

test('resolvers learn who acts, several of them in one request', async () => {
  const authorization = issuer.authorization({ subject: 'alice', roles: 'reader' })
  assert.deepEqual(await query('{ open me invoice(id: 7) }', authorization), {
    data: { open: 'open', me: 'alice', invoice: '7 for alice' },
  })
})

test('a field that is refused is an error with its code, beside the data of the others', async () => {
  for (const [authorization, field, code, message] of [
    [undefined, 'me', 'UNAUTHENTICATED', 'No Authorization Token provided'],
    ['Bearer x', 'me', 'UNAUTHENTICATED', 'Invalid Token'],
    ['Bearer', 'me', 'BAD_REQUEST', 'Malformed Authorization'],
    [issuer.authorization(), 'invoice(id: 7)', 'FORBIDDEN', 'Forbidden'],
  ] as const) {
    const { data, errors } = await query(`{ open ${field} }`, authorization)
    assert.equal(data?.['open'], 'open')
    assert.equal(errors?.length, 1)
    assert.equal(errors[0]!.message, message)
    assert.deepEqual(errors[0]!.extensions, { code }, 'and nothing of the inside')
  }
})

test('keys that cannot be had are SERVICE_UNAVAILABLE', async () => {
  await using other = await startTestIssuer()
  other.fail({ keys: 'reset' })
  const need = guardGraphql(other.guard(), GraphQLError)('authenticated')
  const headers = { authorization: other.authorization() }
  await assert.rejects(need(new Request('http://127.0.0.1/', { headers })), {
    name: 'GraphQLError',
    extensions: { code: 'SERVICE_UNAVAILABLE' },
  })
})

test('what cannot be is refused when the service starts', () => {
  assert.throws(() => needs({ scopes: [] }), { code: 'policy-invalid' })
  assert.throws(() => guardGraphql(issuer.guard(), undefined as never), { code: 'option-invalid' })
})

type Answer = {
  data?: Record<string, unknown>
  errors?: { message: string; extensions: Record<string, unknown> }[]
}

async function query(source: string, authorization: string | undefined): Promise<Answer> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
  const reply = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: source })
  return (await reply.json()) as Answer
}
