import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { Problem } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import { fileMark } from '../../net/pem-files.ts'

/** Where the parts of a TLS identity are, as PEM; certificate and key stand together or not at all. */
export type TlsFilePaths = {
  readonly caFile: string | undefined
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
}

/**
 * A TLS identity out of files that somebody else renews. They are looked at again every few seconds, when a connection
 * is made; while they do not fit together, as half-way through a renewal, the ones before go on.
 */
export class TlsFiles {
  readonly #paths: TlsFilePaths
  readonly #where: string
  readonly #log: Log
  #context: SecureContext
  #mark: string
  #nextLookMs = 0

  /** @param where the setting, for messages. @throws Problem `tls-files-unusable` */
  constructor(paths: TlsFilePaths, where: string, log: Log) {
    this.#paths = paths
    this.#where = where
    this.#log = log
    this.#mark = markOf(paths)
    try {
      this.#context = load(paths)
    } catch (error) {
      throw new Problem('tls-files-unusable', `${where}: ${messageOf(error)}`, {
        next: 'check that the files are PEM, and that certificate and key belong together',
        cause: error,
      })
    }
  }

  /** @param nowMs on any monotonic scale */
  context(nowMs: number): SecureContext {
    if (nowMs < this.#nextLookMs) return this.#context
    this.#nextLookMs = nowMs + lookEveryMs
    const mark = markOf(this.#paths)
    if (mark === this.#mark) return this.#context
    this.#mark = mark
    try {
      this.#context = load(this.#paths)
      this.#log.info('tls files replaced', { part: this.#where })
    } catch (error) {
      this.#log.warn('tls files not replaced', { part: this.#where, problem: messageOf(error) })
    }
    return this.#context
  }
}

function load({ caFile, certificateFile, keyFile }: TlsFilePaths): SecureContext {
  return createSecureContext({
    minVersion: 'TLSv1.2',
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certificateFile === undefined ? {} : { cert: readFileSync(certificateFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  })
}

/** Changes when a file does; the links that Kubernetes mounts files by are followed. */
function markOf({ caFile, certificateFile, keyFile }: TlsFilePaths): string {
  return [caFile, certificateFile, keyFile].map((path) => (path === undefined ? '' : fileMark(path))).join()
}

/** OpenSSL's message names what it wanted, never what it read. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'not readable'
}

const lookEveryMs = 5_000
