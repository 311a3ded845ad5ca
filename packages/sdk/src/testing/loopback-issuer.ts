import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { Clock } from '../core/clock.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createRemoteKeySet } from '../jwt/remote-key-set.ts'
import { createVerifier } from '../jwt/verifier.ts'
import { dangerouslyAnyAudience } from '../jwt/verifier-options.ts'
import { answerIssuerRequest } from './endpoints.ts'
import type { Faults, IssuerRequests, TestClient } from './endpoints.ts'
import { issuerNames, MemoryIssuer } from './memory-issuer.ts'
import type { TestIssuer, TestIssuerOptions } from './memory-issuer.ts'

export type StartedTestIssuerOptions = Omit<TestIssuerOptions, 'issuer'> & {
  /** Who may ask for tokens, by `client_id`; one `test-client` with the secret `test-secret` unless given. */
  readonly clients?: Readonly<Record<string, TestClient>>
  /** The `max-age` of the key set, seconds; 600 unless given. */
  readonly keysMaxAgeSeconds?: number
}

/** A test issuer on a port of this machine; see {@link startTestIssuer}. */
export type StartedTestIssuer = TestIssuer & {
  /** How often each endpoint was asked, whatever it answered. */
  readonly requests: IssuerRequests
  /** What a token source needs to ask this issuer. */
  credentials(clientId?: string): ClientCredentials
  /** Makes its endpoints fail from now on, in these ways and no others. */
  fail(faults: Faults): void
  /** Makes all of them work again. */
  recover(): void
  /** Ends it; what hangs is cut off, and no timer is left. The same as leaving the block of an `await using`. */
  close(): Promise<void>
}

export type ClientCredentials = {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly clock: Clock
}

/**
 * Starts a test issuer on a free port of 127.0.0.1, with metadata (RFC 8414), key set and token endpoint (RFC 6749
 * §4.4). Its verifiers and guards find the keys there by discovery, each on its own, as those of a service do.
 *
 * It does not keep a process alive by itself.
 *
 * @throws Problem `option-invalid`, `option-unknown`.
 * @example
 * await using issuer = await startTestIssuer({ audience: 'https://billing.acme.example' })
 * const guard = createGuard({ issuer: issuer.url, audience: issuer.audience })
 * issuer.fail({ keys: 503 })
 */
export async function startTestIssuer(options: StartedTestIssuerOptions = {}): Promise<StartedTestIssuer> {
  refuseUnknownOptions('startTestIssuer', options, startedNames)
  const { clients = { 'test-client': 'test-secret' }, keysMaxAgeSeconds = 600, ...memory } = options
  if (memory.algorithm?.startsWith('HS') === true) {
    throw new Problem('option-invalid', 'startTestIssuer: a shared secret cannot be published', {
      next: 'use createTestIssuer, or an algorithm with a public key',
    })
  }
  // Not imported, since that would load more than a server needs; see core/safe-get.ts.
  const server = process.getBuiltinModule('node:http').createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  // Neither does a connection that a client keeps for its next request.
  server.on('connection', (socket: Socket) => socket.unref())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return new LoopbackIssuer({ ...memory, issuer: url }, server, clients, keysMaxAgeSeconds)
}

class LoopbackIssuer extends MemoryIssuer implements StartedTestIssuer {
  readonly requests: IssuerRequests = { metadata: 0, keys: 0, token: 0, revocations: 0 }
  readonly #server: Server
  readonly #clients: Readonly<Record<string, TestClient>>
  readonly #delays = new Set<NodeJS.Timeout>()
  #faults: Faults = {}
  #staleKeys: ReturnType<TestIssuer['jwks']> | undefined

  constructor(
    options: TestIssuerOptions,
    server: Server,
    clients: Readonly<Record<string, TestClient>>,
    keysMaxAgeSeconds: number,
  ) {
    super(options)
    this.#server = server
    this.#clients = clients
    const { clock, revocations } = this
    // The keys themselves: its own endpoint may be made to fail.
    const keySet = super.keySet()
    const subjects = createVerifier({
      issuer: this.url,
      audience: dangerouslyAnyAudience,
      keySet,
      clock,
      revocations,
    })
    server.on('request', (request, response) => {
      const answer = (): void =>
        answerIssuerRequest(request, response, {
          issuer: this,
          subjects,
          clients,
          keysMaxAgeSeconds,
          faults: this.#faults,
          keys: this.#staleKeys ?? this.jwks(),
          requests: this.requests,
        })
      const { delayMs } = this.#faults
      if (delayMs === undefined) return answer()
      const delay = setTimeout(() => {
        this.#delays.delete(delay)
        answer()
      }, delayMs)
      this.#delays.add(delay)
    })
  }

  override keySet(): KeySet {
    return createRemoteKeySet({ issuer: this.url, clock: this.clock })
  }

  credentials(clientId?: string): ClientCredentials {
    const id = clientId ?? Object.keys(this.#clients)[0] ?? ''
    const client = Object.hasOwn(this.#clients, id) ? this.#clients[id] : undefined
    if (client === undefined) throw new Problem('option-invalid', `credentials: no client "${id}"`)
    const clientSecret = typeof client === 'string' ? client : client.secret
    return { issuer: this.url, clientId: id, clientSecret, clock: this.clock }
  }

  fail(faults: Faults): void {
    refuseUnknownOptions('fail', faults, ['metadata', 'keys', 'token', 'revocations', 'delayMs', 'staleKeys'])
    this.#faults = { ...faults }
    this.#staleKeys = faults.staleKeys === true ? this.jwks() : undefined
  }

  recover(): void {
    this.fail({})
  }

  close(): Promise<void> {
    for (const delay of this.#delays) clearTimeout(delay)
    this.#delays.clear()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  override [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const startedNames: readonly string[] = [
  ...issuerNames.filter((name) => name !== 'issuer'),
  'clients',
  'keysMaxAgeSeconds',
]
