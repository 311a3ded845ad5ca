import { fileURLToPath } from 'node:url'
import { loadSync } from '@grpc/proto-loader'
import * as grpc from '@grpc/grpc-js'
import type { ServiceClientConstructor } from '@grpc/grpc-js'

const definition = loadSync(fileURLToPath(new URL('billing.proto', import.meta.url)))
const { billing } = grpc.loadPackageDefinition(definition) as unknown as {
  billing: { Invoices: ServiceClientConstructor }
}

/** The client of billing.Invoices, with its definition for servers. */
export const { Invoices } = billing
