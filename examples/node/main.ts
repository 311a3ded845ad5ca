import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'
import { services } from './countersign.ts'

const { billing } = services
const here = billing.issuers.map((issuer) => ({ ...issuer, issuer: process.env['ISSUER'] ?? issuer.issuer }))
const guard = createGuard({ service: { ...billing, issuers: here } })

const invoices = new Map([['7', { id: '7', amount: 120 }]])

// The routes are those of the trust file: what is not listed there does not exist.
const listener = guardNode(guard, readRoutes(billing.routes), async (req, res, auth, { route, params }) => {
  if (route === '/health') return void res.end('ok')
  if (route === '/invoices') {
    const invoice = { id: String(invoices.size + 7), amount: await readAmount(req) }
    invoices.set(invoice.id, invoice)
    return void res.writeHead(201).end(JSON.stringify(invoice))
  }
  const invoice = invoices.get(params['id'] ?? '')
  if (invoice === undefined) res.writeHead(404).end()
  else res.end(JSON.stringify({ ...invoice, for: auth?.subject }))
})

async function readAmount(req: IncomingMessage): Promise<number> {
  let text = ''
  for await (const chunk of req.setEncoding('utf8')) text += String(chunk)
  return (JSON.parse(text) as { amount: number }).amount
}

const server = createServer(listener).listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
