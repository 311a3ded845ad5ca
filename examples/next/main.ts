/** Serves the route handlers of app/ as Next.js does, which needs no example of ours to be run. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { guardHono } from '@countersign/sdk/hono'
import { GET as health } from './app/health/route.ts'
import { POST as write } from './app/invoices/route.ts'
import { GET as read } from './app/invoices/[id]/route.ts'
import { guard } from './guard.ts'

const app = new Hono()
app.use(guardHono(guard, 'open')) // Next.js refuses paths with two readings itself
app.get('/health', () => health())
app.post('/invoices', (c) => write(c.req.raw))
app.get('/invoices/:id', (c) => read(c.req.raw))

serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 3000), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}`)
})
