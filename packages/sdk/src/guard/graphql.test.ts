import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { buildSchema, graphql, GraphQLError } from 'graphql'
import fastify from 'fastify'
import { createDpopKey, createDpopNonces, createDpopProof } from '@countersign/sdk/jwt'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { listen } from '../../../../test/guard/listen.ts'
import { authOf } from './auth-of.ts'
import { guardGraphql } from './graphql.ts'
import { Refusal } from './refusal.ts'

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

test('an error that was meant to be shown: servers which mask mistakes show it', async () => {
  const refused = anybody(new Request('http://127.0.0.1/'))
  await assert.rejects(refused, (error: GraphQLError) => {
    assert.equal(error.originalError, undefined, 'what Yoga looks at')
    assert.ok(error.cause instanceof Refusal)
    assert.equal(error.cause.challenge.status, 401)
    return true
  })
})

test('in a route of Fastify, whose request has the message in it', async () => {
  const app = fastify()
  app.post('/graphql', async (request) => {
    const { query: source } = request.body as { query: string }
    const me = async () => {
      const auth = await anybody(request)
      assert.equal(authOf(request), auth)
      return auth.subject
    }
    return graphql({ schema, rootValue: { me }, source })
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const ask = async (authorization: string) => {
    const headers = { authorization, 'content-type': 'application/json' }
    const reply = await fetch(`${url}/graphql`, { method: 'POST', headers, body: '{"query":"{me}"}' })
    return (await reply.json()) as Answer
  }
  assert.deepEqual(await ask(issuer.authorization({ subject: 'alice' })), { data: { me: 'alice' } })
  assert.equal((await ask('Bearer x')).errors?.[0]?.message, 'Invalid Token')
  await app.close()
})

test('a refusal tells the nonce to use, and an answer the next one', async () => {
  const [nonces, key] = [createDpopNonces(), createDpopKey()]
  const still = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const publicUrl = 'https://billing.test'
  const guard = still.guard({ senderConstraint: 'required', publicUrl, proofs: { nonces } })
  const own = guardGraphql(guard, GraphQLError)
  const need = own('authenticated')
  const server = await listen(
    createServer(async (req, res) => {
      const me = async () => (await need(req)).clientId
      const result = await graphql({ schema, rootValue: { me }, source: '{ me }' })
      for (const [name, value] of Object.entries(own.answerHeaders(req))) res.setHeader(name, value)
      res.end(JSON.stringify(result))
    }),
  )
  const accessToken = still.token({ claims: { cnf: { jkt: key.thumbprint } } })
  const ask = async (nonce: string | undefined) => {
    const proof = { key, method: 'POST', url: `${publicUrl}/`, accessToken, nowMs: still.clock() }
    const dpop = createDpopProof(nonce === undefined ? proof : { ...proof, nonce })
    const headers = { authorization: `DPoP ${accessToken}`, dpop }
    const reply = await fetch(`http://127.0.0.1:${server.port}/`, { method: 'POST', headers })
    return [((await reply.json()) as Answer).data?.['me'], reply.headers] as const
  }
  const [nobody, challenge] = await ask(undefined)
  assert.equal(nobody, null)
  assert.match(challenge.get('www-authenticate')!, /^DPoP .*error="use_dpop_nonce"/)
  const nonce = challenge.get('dpop-nonce')!
  assert.equal(nonce, nonces.current(still.clock()))
  const [who, told] = await ask(nonce)
  assert.deepEqual([who, told.get('dpop-nonce')], ['test-client', null])
  still.advance(61)
  const [again, next] = await ask(nonce)
  assert.deepEqual([again, next.get('dpop-nonce')], ['test-client', nonces.current(still.clock())])
  await server.close()
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
