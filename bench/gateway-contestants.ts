import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createPublicKey, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Secret } from '@countersign/sdk/core'
import { createSigner, generateSigningKey, publicJwk, readSecretSigningKey } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import { haproxyConfiguration, nginxProxy, nginxUpstream } from './gateway-configurations.ts'
import type { ProxyCheck } from './gateway-configurations.ts'
import type { Trusted } from './gateway-processes.ts'
import { pinned } from './http-load.ts'
import { freePort } from '../test/machine/free-port.ts'
import { withYoungGeneration } from '../packages/server/src/serve/workers/worker-process.ts'

export type Running = {
  readonly name: string
  readonly version: string
  readonly port: number
  /** What its paths begin with. */
  readonly prefix: string
  /** What it takes; undefined: it does not look at tokens, and gets those of ES256. */
  readonly checks: readonly string[] | undefined
  readonly isOurs: boolean
  /** utime + stime of its process so far, as the kernel counts. */
  cpuSeconds(): number
  rssMiB(): number
}

export type Field = {
  readonly contestants: readonly Running[]
  /** For those who check nothing. */
  readonly tokens: readonly string[]
  /** What is missing, and other things to know when reading the results. */
  readonly notes: readonly string[]
  stop(): void
}

/** What the others are compared to: proxies that check nothing. */
export const plainHaproxy = 'HAProxy, plain proxy'
export const plainNginx = 'nginx, plain proxy'

/** Starts the upstream, the gateway and the peers that are installed, each in a process of its own. */
export async function startContestants(): Promise<Field> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'))
  const children: ChildProcess[] = []
  const notes: string[] = []
  const contestants: Running[] = []
  const stop = (): void => {
    for (const child of children) child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const material = makeMaterial(folder)
    const upstreamPort = await freePort()
    const command = async (
      name: string,
      version: string,
      start: (port: number) => readonly string[],
      about: Partial<Running> = {},
      env: Record<string, string> = {},
    ): Promise<void> => {
      const port = await freePort()
      const child = startCommand(start(port), 0, env)
      children.push(child)
      await listening(port)
      contestants.push(running(name, version, port, child, about))
    }
    const node = async (
      name: string,
      kind: string,
      version: string,
      about: Partial<Running>,
      options: readonly string[] = [],
    ) => {
      const child = startNode([kind, String(upstreamPort)], 0, options)
      children.push(child)
      child.send(material.trusted)
      contestants.push(running(name, version, await message<number>(child), child, about))
    }

    const nginx = findBinary('nginx')
    const upstream =
      nginx === undefined
        ? startNode(['upstream', String(upstreamPort)], 1)
        : startCommand([nginx, '-c', nginxUpstream(folder, upstreamPort)], 1)
    children.push(upstream)
    if (nginx === undefined) {
      upstream.send(material.trusted)
      notes.push('nginx is not installed: the upstream is a Node server, and nginx does not compete.')
    }
    await listening(upstreamPort)
    contestants.push(running('direct', '', upstreamPort, upstream, {}))

    const haproxy = findBinary('haproxy')
    const haproxyVersion = haproxy && versionOf(haproxy, ['-v'], /version (\d+\.\d+\.\d+)/)
    const haproxyWith = (name: string, check?: ProxyCheck) => (port: number) =>
      [haproxy!, '-q', '-f', haproxyConfiguration(join(folder, name), port, upstreamPort, check)] as const
    if (haproxyVersion === undefined) notes.push('HAProxy is not installed: it does not compete.')
    else await command(plainHaproxy, haproxyVersion, haproxyWith('plain.cfg'))
    if (nginx !== undefined) {
      const version = versionOf(nginx, ['-v'], /nginx\/(\d+\.\d+\.\d+)/)
      await command(plainNginx, version, (port) => [nginx, '-c', nginxProxy(folder, port, upstreamPort)])
    }
    const prefix = '/billing'
    const ours = { prefix, checks: material.tokens.ES256, isOurs: true }
    await node('Countersign, ES256', 'countersign', '', ours, withYoungGeneration([]))
    if (haproxyVersion !== undefined) {
      for (const check of material.proxyChecks) {
        const checks = material.tokens[check.algorithm]
        const start = haproxyWith(`${check.algorithm}.cfg`, check)
        await command(`HAProxy, jwt_verify ${check.algorithm}`, haproxyVersion, start, { prefix, checks })
      }
    }
    const go = goGateway()
    if (go === undefined) notes.push("Go is not installed: the tutorial's gateway does not compete.")
    else {
      const { issuer, audience, secret } = material.trusted
      const start = (port: number) =>
        [go, `127.0.0.1:${port}`, `http://127.0.0.1:${upstreamPort}`, issuer, audience] as const
      const about = { prefix, checks: material.tokens.HS256 }
      await command("the tutorial's Go gateway, HS256", '', start, about, { SECRET_KEY: secret })
    }
    const fastify = `${versionIn('fastify')}, @fastify/jwt ${versionIn('@fastify/jwt')}`
    await node('Fastify, @fastify/jwt, @fastify/http-proxy, ES256', 'fastify ES256', fastify, {
      prefix,
      checks: material.tokens.ES256,
    })
    await node('the same, HS256', 'fastify HS256', '', { prefix, checks: material.tokens.HS256 })
    await node('Express, express-jwt, http-proxy-middleware, HS256', 'express', versionIn('express'), {
      prefix,
      checks: material.tokens.HS256,
    })
    return { contestants, tokens: material.tokens.ES256, notes, stop }
  } catch (error) {
    stop()
    throw error
  }
}

type Material = {
  readonly trusted: Trusted
  readonly tokens: Readonly<Record<ProxyCheck['algorithm'], readonly string[]>>
  readonly proxyChecks: readonly ProxyCheck[]
}

/** Keys of three algorithms, and tokens with the same claims: many where many are cheap to sign. */
function makeMaterial(folder: string): Material {
  const issuer = 'https://issuer.acme.example'
  const audience = 'https://billing.acme.example'
  const ecdsa = generateSigningKey('ES256')
  const rsa = generateSigningKey('RS256')
  const secret = randomBytes(32).toString('hex')
  const hmac = readSecretSigningKey(new Secret(Buffer.from(secret)), { algorithm: 'HS256', keyId: 'shared' })
  const pem = (key: SigningKey): string =>
    createPublicKey({ key: publicJwk(key), format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const about = { issuer, audience }
  return {
    trusted: { ...about, jwk: publicJwk(ecdsa), publicPem: pem(ecdsa), secret },
    tokens: {
      ES256: signTokens(ecdsa, about, 10_000),
      RS256: signTokens(rsa, about, 1),
      HS256: signTokens(hmac, about, 10_000),
    },
    proxyChecks: [
      { ...about, algorithm: 'ES256', key: file('es256.pem', pem(ecdsa)) },
      { ...about, algorithm: 'RS256', key: file('rs256.pem', pem(rsa)) },
      { ...about, algorithm: 'HS256', key: secret },
    ],
  }
}

function signTokens(
  key: SigningKey,
  { issuer, audience }: { readonly issuer: string; readonly audience: string },
  count: number,
): readonly string[] {
  const signer = createSigner({ key })
  const iat = Math.floor(Date.now() / 1000)
  return Array.from({ length: count }, (_, index) =>
    signer.sign({
      iss: issuer,
      aud: audience,
      sub: `orders-${index}`,
      client_id: `orders-${index}`,
      scope: 'invoices:read invoices:write',
      roles: ['reader', 'auditor'],
      iat,
      exp: iat + 7200,
      jti: `token-${index}`,
    }),
  )
}

/** The tutorial's gateway, compiled; undefined where there is no Go, or nothing to fetch its one module from. */
function goGateway(): string | undefined {
  const go = findBinary('go')
  if (go === undefined) return undefined
  const cache = fileURLToPath(new URL('../.cache/bench-peers', import.meta.url))
  mkdirSync(cache, { recursive: true })
  const target = join(cache, 'tutorial-gateway')
  const source = fileURLToPath(new URL('tutorial-gateway', import.meta.url))
  const built = spawnSync(go, ['build', '-o', target, '.'], { cwd: source, stdio: 'ignore' })
  return built.status === 0 ? target : undefined
}

function versionIn(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return String((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version)
}

function running(
  name: string,
  version: string,
  port: number,
  child: ChildProcess,
  { prefix = '', checks, isOurs = false }: Partial<Running>,
): Running {
  const pid = child.pid!
  return {
    name,
    version,
    port,
    prefix,
    checks,
    isOurs,
    cpuSeconds: () => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    rssMiB: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
  }
}

function startNode(args: readonly string[], core: number, options: readonly string[] = []): ChildProcess {
  const script = fileURLToPath(new URL('gateway-processes.ts', import.meta.url))
  const [command, ...rest] = pinned(core, [
    process.execPath,
    '--conditions=source',
    ...options,
    script,
    ...args,
  ])
  const env = { ...process.env, NODE_ENV: 'production' }
  return spawn(command!, rest, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env })
}

export function startCommand(
  command: readonly string[],
  core: number,
  env: Record<string, string> = {},
): ChildProcess {
  const [first, ...rest] = pinned(core, command)
  return spawn(first!, rest, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } })
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T))
    child.once('exit', (code) => reject(new Error(`a contestant ended with ${code}`)))
  })
}

export async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isUp) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

/** Where system software usually is, also for people whose path leaves it out. */
export function findBinary(name: string): string | undefined {
  const folders = [
    ...(process.env['PATH'] ?? '').split(':'),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/go/bin',
  ]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function versionOf(command: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return pattern.exec(stdout + stderr)?.[1] ?? ''
}
