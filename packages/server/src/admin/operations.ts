import { auditOperations } from './audit-operations.ts'
import { bootstrapOperation } from './bootstrap-operation.ts'
import { clientEndings } from './client-ending.ts'
import { clientOperations } from './client-operations.ts'
import { keyOperations } from './key-operations.ts'
import type { AdminOperation } from './operation.ts'
import { revocationOperations } from './revocation-operations.ts'

/** Everything the admin API does. */
export const adminOperations: readonly AdminOperation[] = [
  ...clientOperations,
  ...clientEndings,
  ...keyOperations,
  ...revocationOperations,
  ...auditOperations,
  bootstrapOperation,
]
