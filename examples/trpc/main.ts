import { createHTTPServer } from '@trpc/server/adapters/standalone'
import { initTRPC, TRPCError } from '@trpc/server'
import type { IncomingMessage } from 'node:http'
import { createGuard } from '@countersign/sdk/guard'
import { challengeHeaders, guardTrpc } from '@countersign/sdk/trpc'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const needs = guardTrpc(guard, TRPCError)
const readers = needs({ roles: 'reader' })

const t = initTRPC.context<{ req: IncomingMessage }>().create()
const reader = t.procedure.use(({ ctx, next }) => readers(ctx.req, (auth) => next({ ctx: { auth } })))

const router = t.router({
  health: t.procedure.query(() => 'ok'),
  invoice: reader.query(({ ctx }) => `invoice 7 for ${ctx.auth.subject}`),
})

const server = createHTTPServer({
  router,
  createContext: ({ req }) => ({ req }),
  responseMeta: ({ errors }) => ({ headers: challengeHeaders(errors) }),
})
server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
