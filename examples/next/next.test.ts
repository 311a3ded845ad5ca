import { testExample } from '../example.ts'

// What it asks of paths is asked of main.ts: Next.js itself answers `/invoices//7` with a redirect, and not with 400.
testExample('next')
