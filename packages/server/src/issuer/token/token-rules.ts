import type { Clock } from '@countersign/sdk/core'
import { inspectToken } from '@countersign/sdk/jwt'
import type { KeySet, Revocations } from '@countersign/sdk/jwt'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import type { Client, Trust } from '../../trust/trust.ts'
import { createCertificateAuth } from '../clients/certificate-auth.ts'
import type { CertificateAuthOptions } from '../clients/certificate-auth.ts'
import { createAssertionAuth } from '../clients/client-assertion.ts'
import type { AssertionAuth } from '../clients/client-assertion.ts'
import { createClientAuth } from '../clients/client-auth.ts'
import { createFailureLimit } from '../clients/failure-limit.ts'
import { createClientCredentials } from '../grants/client-credentials.ts'
import type { ClientCredentials } from '../grants/client-credentials.ts'
import { createJwtBearer } from '../grants/jwt-bearer.ts'
import type { JwtBearer } from '../grants/jwt-bearer.ts'
import { createTokenExchange } from '../grants/token-exchange.ts'
import type { TokenExchange } from '../grants/token-exchange.ts'
import { createTransactions } from '../grants/transactions.ts'
import type { Transactions } from '../grants/transactions.ts'
import { openManagedClients, servicesOf } from '../clients/managed-clients.ts'
import type { ManagedClients } from '../clients/managed-clients.ts'
import { createRemoteKeys } from '../clients/remote-keys.ts'
import type { TokenRules } from './token-endpoint.ts'

/** Who may ask for what: the trust file's clients, and the store's. */
export type OpenTokenRules = {
  /** The rules of this moment. */
  current(): TokenRules
  readonly managed: ManagedClients<ClientRules>
  /** Goes by another trust file from the next request on. */
  replace(trust: Trust): void
  close(): Promise<void>
}

/** What is worked out for one client. */
export type ClientRules = {
  readonly assertions: AssertionAuth
  readonly clientCredentials: ClientCredentials
  readonly tokenExchange: TokenExchange
  readonly jwtBearer: JwtBearer
  readonly transactions: Transactions
}

export type TokenRulesOptions = {
  /** The `iss` claim. */
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly trust: Trust
  readonly store: Store
  readonly keySet: KeySet
  readonly revocations: Revocations
  readonly clock: Clock
  readonly log: Log
  /** How client certificates are read; undefined: no client shows one. */
  readonly certificates?: Omit<CertificateAuthOptions, 'clients' | 'managed'> | undefined
}

/**
 * Compiles the trust file's clients at once and the store's one by one, by the same rules. A client of the trust file
 * goes before one of the store with its id.
 *
 * @throws Problem `store-unavailable`
 */
export async function openTokenRules(options: TokenRulesOptions): Promise<OpenTokenRules> {
  const { issuer, tokenEndpoint, store, keySet, revocations, clock, log, certificates } = options
  const limit = createFailureLimit()
  const remoteKeys = createRemoteKeys({ clock, log })
  const assertionsOf = (clients: Iterable<Client>): AssertionAuth =>
    createAssertionAuth({ clients, issuer, tokenEndpoint, store, remoteKeys, clock })
  const grantsOf = (clients: Trust['clients'], trust: Trust): Omit<ClientRules, 'assertions'> => {
    const services = servicesOf(trust)
    const isClient = (id: string): boolean => trust.clients.has(id) || managed.has(id)
    return {
      clientCredentials: createClientCredentials(clients.values(), services),
      tokenExchange: createTokenExchange({
        trust: { ...trust, services, clients },
        isClient,
        own: { issuer, keySet, revocations },
        remoteKeys,
        clock,
      }),
      transactions: createTransactions({
        trust: { ...trust, services, clients },
        isClient,
        own: { issuer, keySet, revocations },
        remoteKeys,
        clock,
      }),
      jwtBearer: createJwtBearer({
        trust: { ...trust, services, clients },
        isClient,
        issuer,
        store,
        remoteKeys,
        clock,
      }),
    }
  }
  // Clients with equal settings share what they may; with a hundred thousand of them that is most of the memory.
  const shared = new WeakMap<Client['may'], ClientCredentials>()
  const likeOthers = (client: Client, trust: Trust): ClientCredentials => {
    const known = shared.get(client.may)
    if (known !== undefined) return known
    const grant = createClientCredentials([{ ...client, id: 'one of many' }], servicesOf(trust))
    const ofAnyId: ClientCredentials = (_id, form) => grant('one of many', form)
    shared.set(client.may, ofAnyId)
    return ofAnyId
  }
  const managed = await openManagedClients<ClientRules>({
    store,
    trust: options.trust,
    compile: (client, trust) => {
      let assertions: AssertionAuth | undefined
      let others: Omit<ClientRules, 'assertions'> | undefined
      const grants = (): Omit<ClientRules, 'assertions'> =>
        (others ??= grantsOf(new Map([[client.id, client]]), trust))
      return {
        get assertions() {
          return (assertions ??= assertionsOf([client]))
        },
        clientCredentials: likeOthers(client, trust),
        get tokenExchange() {
          return grants().tokenExchange
        },
        get jwtBearer() {
          return grants().jwtBearer
        },
        get transactions() {
          return grants().transactions
        },
      }
    },
    clock,
    log,
  })

  const compile = (trust: Trust): TokenRules => {
    const declared = grantsOf(trust.clients, trust)
    const assertions = assertionsOf(trust.clients.values())
    return {
      clientAuth: createClientAuth(
        trust.clients.values(),
        limit,
        {
          authenticate(presented, nowMs) {
            // Each of the store's clients is asked alone: none can bring keys that would count for another.
            const id = presented.clientId ?? claimedIssuer(presented.assertion)
            const rules = id === undefined ? undefined : managed.find(id, nowMs)?.rules
            return (rules?.assertions ?? assertions).authenticate(presented, nowMs)
          },
        },
        managed.find,
        certificates &&
          createCertificateAuth({
            clients: trust.clients.values(),
            managed: (id, nowMs) => managed.find(id, nowMs)?.client,
            ...certificates,
          }),
      ),
      clientCredentials: (id, form) =>
        (managed.find(id, clock())?.rules ?? declared).clientCredentials(id, form),
      tokenExchange: (id, form, nowMs) =>
        (managed.find(id, nowMs)?.rules ?? declared).tokenExchange(id, form, nowMs),
      transactions: (id, form, nowMs) =>
        (managed.find(id, nowMs)?.rules ?? declared).transactions(id, form, nowMs),
      jwtBearer: (id, form, nowMs) => (managed.find(id, nowMs)?.rules ?? declared).jwtBearer(id, form, nowMs),
    }
  }
  let rules = compile(options.trust)

  return {
    current: () => rules,
    managed,
    replace(trust) {
      rules = compile(trust)
      managed.replace(trust)
    },
    close: () => managed.close(),
  }
}

/** Whom an assertion says it is from, to find whose keys to try; nothing is believed yet. */
function claimedIssuer(assertion: string): string | undefined {
  const issuer = inspectToken(assertion).claims?.['iss']
  return typeof issuer === 'string' ? issuer : undefined
}
