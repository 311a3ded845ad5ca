import Koa from 'koa'
import type { Context } from 'koa'
import { createGuard } from '@countersign/sdk/guard'
import { authOf, guardKoa } from '@countersign/sdk/koa'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const readers = guardKoa(guard, { roles: 'reader' })
const administrators = guardKoa(guard, { roles: 'admin' })

const invoices = new Map([['7', { id: '7', amount: 120 }]])

const app = new Koa()
app.use(guardKoa(guard, 'open')) // refuses paths with two readings before any route

// With @koa/router a guard stands before a route's handler in the same way: router.get('/invoices/:id', readers, read)
app.use(async (ctx) => {
  if (ctx.path === '/health') ctx.body = 'ok'
  else if (ctx.method === 'GET' && ctx.path.startsWith('/invoices/'))
    await readers(ctx, async () => read(ctx))
  else if (ctx.method === 'POST' && ctx.path === '/invoices') await administrators(ctx, () => write(ctx))
})

function read(ctx: Context): void {
  const invoice = invoices.get(ctx.path.slice('/invoices/'.length))
  if (invoice !== undefined) ctx.body = { ...invoice, for: authOf(ctx).subject }
}

async function write(ctx: Context): Promise<void> {
  const { amount } = (await new Response(ctx.req as unknown as ReadableStream).json()) as { amount: number }
  const invoice = { id: String(invoices.size + 7), amount }
  invoices.set(invoice.id, invoice)
  ctx.status = 201
  ctx.body = invoice
}

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
