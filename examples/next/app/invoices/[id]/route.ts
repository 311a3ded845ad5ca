import { guardFetch } from '@countersign/sdk/fetch'
import { guard, invoices } from '../../../guard.ts'

type Context = { params: Promise<{ id: string }> } // in Next.js itself: RouteContext<'/invoices/[id]'>

// The guard stands in the route itself and not in proxy.ts (once middleware.ts), which is no boundary.
export const GET = guardFetch(
  guard,
  { roles: 'reader' },
  async (_request, auth, _decision, { params }: Context) => {
    const { id } = await params
    const invoice = invoices.get(id)
    if (invoice === undefined) return new Response(null, { status: 404 })
    return Response.json({ ...invoice, for: auth.subject })
  },
)
