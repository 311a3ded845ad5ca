import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Clock } from '@countersign/sdk/core'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import type { Principal } from '@countersign/sdk/guard'
import { createRemoteKeySet, createVerifier } from '@countersign/sdk/jwt'
import { guardNode } from '@countersign/sdk/node'
import { billingAudience } from './people.ts'

/**
 * A small service with invoices: readers read, administrators write, and every answer says who is calling, as the
 * verified token says it. It shares no secret with anybody: it knows two issuers by name and fetches their public keys.
 *
 * @param issuer our own issuer's URL
 * @param provider the identity provider's URL
 * @param clock milliseconds since the epoch
 */
export function createBillingService({
  issuer,
  provider,
  clock,
}: {
  issuer: string
  provider: string
  clock: Clock
}): RequestListener {
  const ownKeys = createRemoteKeySet({ issuer, clock })
  const providerKeys = createRemoteKeySet({ issuer: provider, algorithms: ['RS256'], clock })
  const guard = createGuard({
    verifier: createVerifier({
      issuers: [
        { issuer, audience: billingAudience, keySet: ownKeys },
        { issuer: provider, audience: billingAudience, keySet: providerKeys, algorithms: ['RS256'] },
      ],
      clock,
    }),
    realm: 'billing',
    clock,
  })
  const invoices: Invoice[] = [
    { id: '7', amount: 120 },
    { id: '8', amount: 80 },
  ]
  return guardNode(guard, routes, (req, res, auth, { route, params }) => {
    if (auth === undefined) return answer(res, 200, { status: 'ok' })
    const caller = callerOf(auth)
    if (route === '/whoami') return answer(res, 200, { caller })
    if (req.method === 'POST') return addInvoice(req, res, invoices, caller)
    if (route === '/invoices') return answer(res, 200, { invoices, caller })
    const invoice = invoices.find(({ id }) => id === params['id'])
    if (invoice === undefined) return answer(res, 404, { error: 'there is no such invoice', caller })
    return answer(res, 200, { invoice, caller })
  })
}

/** Who is calling: nothing that the request claims, only what the issuer signed. */
function callerOf({ kind, clientId, subject, roles }: Principal) {
  return {
    client: clientId ?? null,
    user: kind === 'user' ? (subject ?? null) : null,
    roles: [...roles].sort(),
  }
}

function addInvoice(req: IncomingMessage, res: ServerResponse, invoices: Invoice[], caller: object): void {
  let body = ''
  req.setEncoding('utf8')
  req.on('data', (chunk: string) => {
    body += chunk
    if (body.length > maxBodyLength) req.destroy()
  })
  req.on('end', () => {
    const amount = readAmount(body)
    if (amount === undefined) return answer(res, 400, { error: 'expected {"amount": a number}', caller })
    const invoice = { id: String(7 + invoices.length), amount }
    // A demo that runs for a week must not grow for a week.
    if (invoices.length < maxInvoices) invoices.push(invoice)
    answer(res, 201, { invoice, caller })
  })
}

function readAmount(body: string): number | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    const amount: unknown = typeof parsed === 'object' && parsed !== null && Reflect.get(parsed, 'amount')
    return typeof amount === 'number' ? amount : undefined
  } catch {
    return undefined
  }
}

function answer(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  res.end(`${JSON.stringify(body)}\n`)
}

type Invoice = { readonly id: string; readonly amount: number }

const reading = { anyOf: [{ roles: 'reader' }, { roles: 'admin' }] }
const routes = readRoutes({
  'GET /health': 'open',
  'GET /whoami': 'authenticated',
  'GET /invoices': reading,
  'GET /invoices/{id}': reading,
  'POST /invoices': { roles: 'admin' },
})
const maxBodyLength = 10_000
const maxInvoices = 1000
