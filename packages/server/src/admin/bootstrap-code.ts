import { hash, timingSafeEqual } from 'node:crypto'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { letters } from '../issuer/clients/managed-client.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { adminServiceName } from '../trust/admin-service.ts'
import type { Trust } from '../trust/trust.ts'
import { bootstrapRequest } from './bootstrap-operation.ts'

/** The one-time code of this process. */
export type BootstrapCode = {
  /** Whether this is the code. It is one until it is used up. */
  fits(code: string): boolean
  /** It has made the first client: it is one no more, and the file is gone. */
  useUp(): void
  /** Takes the file away. */
  close(): void
}

/**
 * Puts a one-time code for the first admin client into a file that only its owner can read. There is none when that client
 * was made before, or when the trust file declares one that may use the admin API: then nobody needs it.
 *
 * @param file replaced when it is there: it is from a process before.
 * @throws Problem `store-unavailable`
 */
export async function openBootstrapCode({
  file,
  trust,
  store,
  log,
}: BootstrapOptions): Promise<BootstrapCode> {
  const drop = (): void => rmSync(file, { force: true })
  if (isDeclared(trust) || (await store.findClient({ request: bootstrapRequest })) !== undefined) {
    return { fits: () => false, useUp() {}, close() {} }
  }
  const end = (): void => {
    if (digest !== undefined) drop()
    digest = undefined
  }
  const code = letters(44)
  let digest: Buffer | undefined = hash('sha256', code, 'buffer')
  try {
    drop()
    // `wx`: a link that somebody else has put there is not followed.
    writeFileSync(file, `${code}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(file, 0o600)
    log.info('admin.bootstrap', { file, next: 'countersign bootstrap' })
  } catch (error) {
    digest = undefined
    const reason = (error as NodeJS.ErrnoException).code
    log.warn('admin.bootstrap-failed', {
      file,
      reason,
      next: 'name a writable issuer.admin.codeFile, or declare a client that may use countersign in the trust file',
    })
  }
  return {
    fits: (shown) => digest !== undefined && timingSafeEqual(digest, hash('sha256', shown, 'buffer')),
    useUp: end,
    close: end,
  }
}

export type BootstrapOptions = {
  readonly file: string
  readonly trust: Pick<Trust, 'clients'>
  readonly store: Pick<Store, 'findClient'>
  readonly log: Log
}

function isDeclared({ clients }: Pick<Trust, 'clients'>): boolean {
  return [...clients.values()].some(({ may }) => may.some(({ service }) => service === adminServiceName))
}
