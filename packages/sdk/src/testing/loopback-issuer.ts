import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import type { Clock } from '../core/clock.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createRemoteKeySet } from '../jwt/remote-key-set.ts'
import { answerIssuerRequest } from './endpoints.ts'
import type { Endpoints, Faults, IssuerRequests } from './endpoints.ts'
import { checkFault } from './fault.ts'
import { issuerNames, MemoryIssuer } from './memory-issuer.ts'
import type { TestIssuer, TestIssuerOptions } from './memory-issuer.ts'
import { readClients } from './test-client.ts'
import type { ReadClient, TestClient } from './test-client.ts'
import { TestTokenEndpoint } from './token-endpoint.ts'

export type StartedTestIssuerOptions<Role extends string = string, Scope extends string = string> = Omit<
  TestIssuerOptions<Role, Scope>,
  'issuer'
> & {
  /** Who may ask for tokens, by `client_id`; one `test-client` with the secret `test-secret` unless given. */
  readonly clients?: Readonly<Record<string, TestClient>>
  /** The `max-age` of the key set, seconds; 600 unless given. */
  readonly keysMaxAgeSeconds?: number
  /** Whom transaction tokens are for (draft-ietf-oauth-transaction-tokens); there are none unless given. */
  readonly trustDomain?: string
  /** Whether each DPoP proof at the token endpoint must have a nonce of it (RFC 9449 §8); no, unless given. */
  readonly dpopNonces?: boolean
}

/** A test issuer on a port of this machine; see {@link startTestIssuer}. */
export type StartedTestIssuer<Role extends string = string, Scope extends string = string> = Omit<
  TestIssuer<Role, Scope>,
  'fail'
> & {
  /** How often each endpoint was asked, whatever it answered. */
  readonly requests: IssuerRequests
  /** What a token source needs to ask this issuer; of a client without a secret all but its key or its file. */
  credentials(clientId?: string): ClientCredentials
  /**
   * Makes its endpoints fail from now on, in these ways and no others.
   *
   * @throws Problem `option-invalid`, `option-unknown`.
   * @example
   * issuer.fail({ keys: 'reset', token: { status: 503, retryAfterSeconds: 120 } })
   */
  fail(faults: Faults): void
  /** Ends it; what hangs is cut off, and no timer is left. The same as leaving the block of an `await using`. */
  close(): Promise<void>
}

export type ClientCredentials = {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret?: string
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
export async function startTestIssuer<
  const Role extends string = string,
  const Scope extends string = string,
>(options: StartedTestIssuerOptions<Role, Scope> = {}): Promise<StartedTestIssuer<Role, Scope>> {
  refuseUnknownOptions('startTestIssuer', options, startedNames)
  const {
    clients = { 'test-client': 'test-secret' },
    keysMaxAgeSeconds = 600,
    trustDomain,
    dpopNonces = false,
    ...memory
  } = options
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
  const terms = { clients, keysMaxAgeSeconds, trustDomain, dpopNonces }
  try {
    return new LoopbackIssuer({ ...memory, issuer: url }, server, terms)
  } catch (problem) {
    server.close()
    throw problem
  }
}

type Terms = {
  readonly clients: Readonly<Record<string, TestClient>>
  readonly keysMaxAgeSeconds: number
  readonly trustDomain: string | undefined
  readonly dpopNonces: boolean
}

class LoopbackIssuer<Role extends string, Scope extends string>
  extends MemoryIssuer<Role, Scope>
  implements StartedTestIssuer<Role, Scope>
{
  readonly requests: IssuerRequests = { metadata: 0, keys: 0, token: 0, revocations: 0 }
  readonly #server: Server
  readonly #clients: ReadonlyMap<string, ReadClient>
  readonly #delays = new Set<NodeJS.Timeout>()
  #faults: Faults = {}
  #staleKeys: ReturnType<TestIssuer['jwks']> | undefined

  constructor(options: TestIssuerOptions<Role, Scope>, server: Server, terms: Terms) {
    super(options)
    const { keysMaxAgeSeconds, trustDomain, dpopNonces } = terms
    this.#server = server
    const clients = readClients(terms.clients, this.audience)
    this.#clients = clients
    // The keys themselves: its own endpoint may be made to fail.
    const keySet = super.keySet()
    const tokens = new TestTokenEndpoint({ issuer: this, clients, keySet, trustDomain, dpopNonces })
    const endpoints = (): Endpoints => ({
      issuer: this,
      tokens,
      keysMaxAgeSeconds,
      faults: this.#faults,
      keys: this.#staleKeys ?? this.jwks(),
      requests: this.requests,
    })
    server.on('request', (request, response) => {
      const answer = (): void => answerIssuerRequest(request, response, endpoints())
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
    const id = clientId ?? this.#clients.keys().next().value ?? ''
    const client = this.#clients.get(id)
    if (client === undefined) throw new Problem('option-invalid', `credentials: no client "${id}"`)
    const { secret } = client
    const shown = secret === undefined ? {} : { clientSecret: secret }
    return { issuer: this.url, clientId: id, ...shown, clock: this.clock }
  }

  override fail(faults: Faults): void {
    refuseUnknownOptions('fail', faults, [...endpointNames, 'delayMs', 'staleKeys'])
    for (const name of endpointNames) {
      const fault = faults[name]
      if (fault !== undefined) checkFault(name, fault)
    }
    this.#faults = { ...faults }
    this.#staleKeys = faults.staleKeys === true ? this.jwks() : undefined
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
  'trustDomain',
  'dpopNonces',
]
const endpointNames = ['metadata', 'keys', 'token', 'revocations'] as const
