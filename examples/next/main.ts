/**
 * Stands in for Next.js, so that the route handlers of app/ can be tried without it: a router of Hono that calls them with
 * what Next.js would give, the request and `{ params }`. What becomes of a path before it is routed is another matter.
 */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { guardHono } from '@countersign/sdk/hono'
import { GET as health } from './app/health/route.ts'
import { POST as write } from './app/invoices/route.ts'
import { GET as read } from './app/invoices/[id]/route.ts'
import { guard } from './guard.ts'

const app = new Hono()
// Of this stand-in alone: Next.js does not refuse paths with two readings, it redirects most of them and resolves the rest.
app.use(guardHono(guard, 'open'))
app.get('/health', () => health())
app.post('/invoices', (c) => write(c.req.raw))
app.get('/invoices/:id', (c) => read(c.req.raw, { params: Promise.resolve(c.req.param()) }))

serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 3000), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}`)
})
