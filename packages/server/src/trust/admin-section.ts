import { isLoopbackHost } from '@countersign/sdk/core'
import { warning } from './reading.ts'
import type { Reading } from './reading.ts'
import { listenAddress } from './scalars.ts'
import { fields, located, optional, text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { AdminSettings } from './trust.ts'

/** `issuer.admin`: the admin API, which is there only where the file says so. */
export const adminSection = fields({
  listen: optional(
    located(listenAddress()),
    'Where the admin API listens, host:port; 127.0.0.1:8090 unless said otherwise.',
  ),
  codeFile: optional(
    text(
      (value) =>
        value === '' || value.length > 4096 || value.includes('\0') || value.includes('\n')
          ? { message: 'expected the path of a file' }
          : { value },
      { minLength: 1 },
      { expected: 'the path of a file' },
    ),
    'Where the one-time code for the first admin client is put; countersign-admin.code beside the trust file.',
  ),
})

export type AdminDraft = typeof adminSection extends Shape<infer T> ? T : never

export function resolveAdmin(draft: AdminDraft, reading: Reading): AdminSettings {
  const { listen, codeFile = 'countersign-admin.code' } = draft
  if (listen !== undefined && !isLoopbackHost(listen.value.host)) {
    warning(
      reading,
      listen,
      'the admin API can be reached from other machines, and its tokens travel in the clear',
      'put a proxy that ends TLS before it, or write 127.0.0.1',
    )
  }
  return {
    listen: listen?.value ?? { host: '127.0.0.1', port: 8090 },
    codeFile: reading.resolvePath(codeFile),
  }
}
