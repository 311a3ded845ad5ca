import { isLoopbackHost } from '@countersign/sdk/core'
import { mistake } from './reading.ts'
import type { Reading } from './reading.ts'
import { listenAddress } from './scalars.ts'
import { fields, located, onlyTrue, optional, text } from './shape.ts'
import type { Shape } from './shape.ts'
import { resolveTls, tlsSection } from './tls-section.ts'
import type { AdminSettings } from './trust.ts'

/** `issuer.admin`: the admin API, which is there only where the file says so. */
export const adminSection = fields({
  listen: optional(
    located(listenAddress()),
    'Where the admin API listens, host:port; 127.0.0.1:8090 unless said otherwise.',
  ),
  tls: optional(tlsSection('issuer'), 'Its certificate; plain http without, on this machine alone.'),
  dangerouslyPlain: optional(
    onlyTrue(),
    'Listen for other machines without TLS; for where a proxy before it ends TLS, and nobody else can reach it.',
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
  const { listen, tls, dangerouslyPlain, codeFile = 'countersign-admin.code' } = draft
  const isPlain = tls === undefined && dangerouslyPlain !== true
  if (listen !== undefined && !isLoopbackHost(listen.value.host) && isPlain) {
    mistake(
      reading,
      listen,
      'other machines reach the admin API here, and tokens and new secrets travel in the clear',
      'add `tls: { certificate: { file: … }, key: { file: … } }`, write 127.0.0.1, or `dangerouslyPlain: true` behind a proxy that ends TLS',
    )
  }
  return {
    listen: listen?.value ?? { host: '127.0.0.1', port: 8090 },
    ...resolveTls(tls),
    codeFile: reading.resolvePath(codeFile),
  }
}
