import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { relative } from 'node:path'
import type { Trust } from '../../trust/trust.ts'
import { fail, pass, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const daysBefore = 14

/**
 * Who may read and change the files that everything rests on, and how long certificates last.
 *
 * @param read files that the trust file names and that have been read: secrets, keys, certificates
 * @param nowMs milliseconds since the epoch
 */
export function checkFiles(
  trust: Trust,
  read: readonly string[],
  { cwd, nowMs }: { readonly cwd: string; readonly nowMs: number },
): Finding[] {
  const store = trust.issuer?.store
  const environment = trust.file.replace(/\.ya?ml$/, '.env')
  const secret = [
    ...read.filter(isSecret),
    ...(store?.kind === 'sqlite' ? [store.path] : []),
    ...(environment === trust.file ? [] : [environment]),
  ].filter((path) => existsSync(path))
  const findings = [
    checkMode(trust.file, false, cwd),
    ...[...new Set(secret)].map((path) => checkMode(path, true, cwd)),
  ]
  return [...findings, ...certificatesOf(trust).map((path) => checkCertificate(path, cwd, nowMs))]
}

function checkMode(path: string, isPrivate: boolean, cwd: string): Finding {
  const name = shown(path, cwd)
  // Windows has no such bits.
  const mode = process.platform === 'win32' ? 0 : statSync(path).mode
  if ((mode & 0o022) !== 0) {
    return fail('files', `${name} can be changed by others`, `chmod ${isPrivate ? '600' : '644'} ${name}`)
  }
  if (isPrivate && (mode & 0o004) !== 0) {
    return warn('files', `${name} can be read by everybody on this machine`, `chmod 600 ${name}`)
  }
  return pass('files', `${name} ${isPrivate ? 'is not everybody’s to read' : 'is its owner’s to change'}`)
}

/** A certificate may be read by anybody; a key, or what is no PEM at all, may not. */
function isSecret(path: string): boolean {
  const text = readFileSync(path, 'utf8')
  return !text.includes('-----BEGIN') || text.includes('PRIVATE KEY')
}

function certificatesOf({ issuer, gateway, services }: Trust): readonly string[] {
  const listeners = [issuer?.tls, gateway?.tls].flatMap((tls) => tls?.certificateFile ?? [])
  const upstreams = [...services.values()].flatMap(
    ({ upstreamSettings }) => upstreamSettings?.tls?.certificateFile ?? [],
  )
  return [...new Set([...listeners, ...upstreams])]
}

function checkCertificate(path: string, cwd: string, nowMs: number): Finding {
  const name = shown(path, cwd)
  try {
    const ends = new X509Certificate(readFileSync(path)).validToDate.getTime()
    const days = Math.floor((ends - nowMs) / 86_400_000)
    if (ends <= nowMs) return fail('certificate', `${name} has expired`, 'put a new one in its place')
    if (days < daysBefore) return warn('certificate', `${name} ends in ${days} days`, 'renew it')
    return pass('certificate', `${name} ends in ${days} days`)
  } catch {
    return fail('certificate', `${name} is no certificate in PEM`, 'put one in its place')
  }
}

function shown(path: string, cwd: string): string {
  const near = relative(cwd, path)
  return near.startsWith('..') ? path : near
}
