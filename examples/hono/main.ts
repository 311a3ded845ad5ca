import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createGuard } from '@countersign/sdk/guard'
import { guardHono } from '@countersign/sdk/hono'
import type { Authenticated } from '@countersign/sdk/hono'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})

const invoices = new Map([['7', { id: '7', amount: 120 }]])

const app = new Hono<{ Variables: Authenticated }>()
app.use(guardHono(guard, 'open')) // refuses paths with two readings before any handler

app.get('/health', (c) => c.text('ok'))

app.get('/invoices/:id', guardHono(guard, { roles: 'reader' }), (c) => {
  const invoice = invoices.get(c.req.param('id'))
  return invoice === undefined ? c.notFound() : c.json({ ...invoice, for: c.var.auth.subject })
})

app.post('/invoices', guardHono(guard, { roles: 'admin' }), async (c) => {
  const { amount } = await c.req.json<{ amount: number }>()
  const invoice = { id: String(invoices.size + 7), amount }
  invoices.set(invoice.id, invoice)
  return c.json(invoice, 201)
})

serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 3000), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}`)
})
