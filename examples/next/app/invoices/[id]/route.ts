import { guardFetch } from '@countersign/sdk/fetch'
import { guard, invoices } from '../../../guard.ts'

// The guard stands in the route itself and not in proxy.ts (once middleware.ts), which is no boundary.
export const GET = guardFetch(guard, { roles: 'reader' }, (request, auth) => {
  const id = new URL(request.url).pathname.split('/').at(-1) ?? ''
  const invoice = invoices.get(id)
  if (invoice === undefined) return new Response(null, { status: 404 })
  return Response.json({ ...invoice, for: auth.subject })
})
