import { createGuard } from '@countersign/sdk/guard'

export const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})

export const invoices = new Map([['7', { id: '7', amount: 120 }]])
