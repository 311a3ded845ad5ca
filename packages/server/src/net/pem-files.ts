import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Problem } from '@countersign/sdk/core'
import type { Log } from '../log.ts'

export type PemFilesOptions<T> = {
  /** Absolute paths. */
  readonly paths: readonly string[]
  /** Reads them; throws when they are no good together. */
  readonly load: () => T
  /** The setting, for messages. */
  readonly where: string
  readonly log: Log
  /** How often to look at them, milliseconds; 5000 unless given. */
  readonly lookEveryMs?: number
}

/**
 * What is made of files that somebody else renews. They are looked at again every few seconds; while they are no good, as
 * half-way through a renewal, what was made of the ones before goes on.
 */
export class PemFiles<T> {
  readonly #options: PemFilesOptions<T>
  #value: T
  #mark: string
  #nextLookMs = 0

  /** @throws Problem `tls-files-unusable` */
  constructor(options: PemFilesOptions<T>) {
    this.#options = options
    this.#mark = markOf(options.paths)
    try {
      this.#value = options.load()
    } catch (error) {
      throw new Problem('tls-files-unusable', `${options.where}: ${messageOf(error)}`, {
        next: 'check that the files are PEM, and that certificate and key belong together',
        cause: error,
      })
    }
  }

  /** @param nowMs on any monotonic scale */
  current(nowMs: number = performance.now()): T {
    const { paths, load, where, log, lookEveryMs = usualLookMs } = this.#options
    if (nowMs < this.#nextLookMs) return this.#value
    this.#nextLookMs = nowMs + lookEveryMs
    const mark = markOf(paths)
    if (mark === this.#mark) return this.#value
    this.#mark = mark
    try {
      this.#value = load()
      log.info('tls.replaced', { part: where })
    } catch (error) {
      log.error('tls.not-replaced', {
        part: where,
        problem: messageOf(error),
        next: 'the files before go on',
      })
    }
    return this.#value
  }
}

/** The certificates of a PEM file, all of them. @throws when one cannot be read, or there is none. */
export function readCertificates(path: string): readonly X509Certificate[] {
  const parts = readFileSync(path, 'utf8').split('-----END CERTIFICATE-----').slice(0, -1)
  if (parts.length === 0) throw new Error('there is no certificate in it')
  return parts.map((part) => new X509Certificate(`${part}-----END CERTIFICATE-----\n`))
}

/** Changes when a file does; the links that Kubernetes mounts files by are followed. */
function markOf(paths: readonly string[]): string {
  return paths.map(fileMark).join()
}

/** Never throws: half-way through a renewal links may lead nowhere, and a timer has nobody who would catch it. */
export function fileMark(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch {
    return 'gone'
  }
}

/** OpenSSL's message names what it wanted, never what it read. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'not readable'
}

const usualLookMs = 5_000
