import express from 'express'
import { authOf, guardExpress } from '@countersign/sdk/express'
import { createGuard } from '@countersign/sdk/guard'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})

const invoices = new Map([['7', { id: '7', amount: 120 }]])

const app = express()
app.use(guardExpress(guard, 'open')) // refuses paths with two readings before the router sees them

app.get('/health', (_, res) => {
  res.send('ok')
})
app.get('/invoices/:id', guardExpress(guard, { roles: 'reader' }), (req, res) => {
  const invoice = invoices.get(String(req.params['id']))
  if (invoice === undefined) res.sendStatus(404)
  else res.json({ ...invoice, for: authOf(req).subject })
})
app.post('/invoices', guardExpress(guard, { roles: 'admin' }), express.json(), (req, res) => {
  const { amount } = req.body as { amount: number }
  const invoice = { id: String(invoices.size + 7), amount }
  invoices.set(invoice.id, invoice)
  res.status(201).json(invoice)
})

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
