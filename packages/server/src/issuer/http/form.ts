import * as core from '@countersign/sdk/core'
import type { Form } from '@countersign/sdk/core'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'

export { formDecode } from '@countersign/sdk/core'
export type { Form } from '@countersign/sdk/core'

/** Reads a form, or refuses the request that has none or an odd one. */
export function readForm(contentType: string | undefined, body: Buffer): Form | Refusal {
  const form = core.readForm(contentType, body)
  return typeof form === 'string' ? refuse('invalid_request', form) : form
}
