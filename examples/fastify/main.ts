import fastify from 'fastify'
import { authOf, guardFastify } from '@countersign/sdk/fastify'
import type { GuardedConfig, GuardedRequest } from '@countersign/sdk/fastify'
import { createGuard } from '@countersign/sdk/guard'

// What the compiler must know of request.auth and config.auth.
declare module 'fastify' {
  interface FastifyRequest extends GuardedRequest {}
  interface FastifyContextConfig extends GuardedConfig {}
}

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})

const invoices = new Map([['7', { id: '7', amount: 120 }]])

const app = fastify()
await app.register(guardFastify(guard)) // every route needs a token, unless it says something else

app.get('/health', { config: { auth: 'open' } }, () => 'ok')

app.get<{ Params: { id: string } }>(
  '/invoices/:id',
  { config: { auth: { roles: 'reader' } } },
  (request, reply) => {
    const invoice = invoices.get(request.params.id)
    return invoice === undefined ? reply.callNotFound() : { ...invoice, for: authOf(request).subject }
  },
)

app.post<{ Body: { amount: number } }>(
  '/invoices',
  { config: { auth: { roles: 'admin' } } },
  (request, reply) => {
    const invoice = { id: String(invoices.size + 7), amount: request.body.amount }
    invoices.set(invoice.id, invoice)
    return reply.code(201).send(invoice)
  },
)

const url = await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: '127.0.0.1' })
console.log(`listening on ${url}`)
