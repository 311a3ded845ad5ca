import { Problem } from '@countersign/sdk/core'

/** What `--listen` says, for a proxy's configuration: nothing else may get into it. @throws Problem `usage` */
export function listenOption(given: string): string {
  if (/^[A-Za-z0-9.:[\]]+$/.test(given)) return given
  throw new Problem('usage', 'expected a port, or an address and a port, behind --listen', {
    next: 'for example --listen 127.0.0.1:8000',
  })
}
