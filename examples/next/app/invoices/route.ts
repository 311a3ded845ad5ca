import { guardFetch } from '@countersign/sdk/fetch'
import { guard, invoices } from '../../guard.ts'

export const POST = guardFetch(guard, { roles: 'admin' }, async (request) => {
  const { amount } = (await request.json()) as { amount: number }
  const invoice = { id: String(invoices.size + 7), amount }
  invoices.set(invoice.id, invoice)
  return Response.json(invoice, { status: 201 })
})
