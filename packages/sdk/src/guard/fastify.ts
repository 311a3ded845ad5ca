import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuseUnknownOptions } from '../core/options.ts'
import { isPending } from '../core/pending.ts'
import type { Requirement } from '../policy/policy.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import type { AuthOf } from './auth-of.ts'
import type { Guard, GuardTerms, RequirementOf } from './guard.ts'
import { nodeGuardRequest } from './guard-request.ts'
import { isGone } from './node.ts'
import { checkOneRequirement, outcomeInTurn, responseHeadersOf } from './outcome.ts'
import type { Outcome } from './outcome.ts'

/** What the plugin gives to a `FastifyRequest`; see {@link guardFastify} for telling the compiler. */
export type GuardedRequest<G extends Guard = Guard> = {
  /** Who acts; undefined on open routes. */
  auth: AuthOf<G> | undefined
}

/** What the plugin reads from a route's `config`. */
export type GuardedConfig<G extends Guard = Guard> = {
  /** What this route needs; the plugin's `default` unless given. */
  auth?: G extends Guard<infer Terms> ? RequirementOf<Terms> : never
}

export type FastifyGuardOptions<Terms extends GuardTerms = GuardTerms> = {
  /** What routes need that say nothing themselves; `authenticated` unless given. */
  readonly default?: RequirementOf<Terms>
}

/** A plugin for Fastify 5. */
export type FastifyGuardPlugin = (app: unknown, options: unknown, done: (error?: Error) => void) => void

/**
 * A plugin that guards every route: each says what it needs in `config.auth`, and those that say nothing need a token.
 * Handlers find who acts in `request.auth`.
 *
 * The guard asks when Fastify has chosen the route and before it reads the body, so what the router makes of a path
 * (case, slashes, semicolons) is what is guarded. Registered at the root it is for all routes, also those of plugins;
 * registered inside a plugin, for the routes in there. Register it first, so that what routes say is checked at start.
 *
 * The compiler learns of `auth` by two lines anywhere in the service:
 * `declare module 'fastify' { interface FastifyRequest extends GuardedRequest {} interface FastifyContextConfig extends
 * GuardedConfig {} }`.
 *
 * @throws Problem `option-unknown`, `policy-invalid` when the service starts, also for what routes say.
 * @example
 * await app.register(guardFastify(guard))
 * app.get('/health', { config: { auth: 'open' } }, () => 'ok')
 * app.get('/invoices/:id', { config: { auth: { roles: 'reader' } } }, (request) => ({ for: request.auth?.subject }))
 */
export function guardFastify<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  options: FastifyGuardOptions<Terms> = {},
): FastifyGuardPlugin {
  refuseUnknownOptions('guardFastify', options, ['default'])
  const fallback: Requirement = options.default ?? 'authenticated'
  checkOneRequirement('guardFastify: default', fallback)
  const plugin: FastifyGuardPlugin = (instance, _, done) => {
    const app = instance as FastifyInstance
    // A plugin inside another guarded one may have a guard of its own, with another issuer.
    if (!app.hasRequestDecorator('auth')) app.decorateRequest('auth', undefined)
    app.addHook('onRoute', ({ url, config }) => {
      if (config?.auth !== undefined) checkOneRequirement(`config.auth of ${url}`, config.auth)
    })
    app.addHook('onRequest', (request, reply, next) => {
      // What no route is for is Fastify's to answer; only the path must have one reading.
      const requirement = request.is404 ? 'open' : (request.routeOptions.config?.auth ?? fallback)
      const { raw, originalUrl } = request
      const outcome = outcomeInTurn(guard, nodeGuardRequest(raw, originalUrl), requirement, raw)
      if (isPending(outcome)) void outcome.then(actLater)
      else act(outcome)

      function actLater(settled: Outcome): void {
        try {
          act(settled)
        } catch (error) {
          next(error as Error)
        }
      }

      function act(settled: Outcome): void {
        if (settled.kind === 'refused') {
          const { status, headers, body } = settled.challenge
          reply.code(status).headers(headers).send(body)
          return
        }
        // Whoever asked may have left meanwhile.
        if (isGone(reply.raw)) return
        rememberAuth(request, settled.principal, guard)
        if (settled.principal !== undefined) request.auth = settled.principal
        for (const [name, value] of responseHeadersOf(settled)) reply.header(name, value)
        proceed(request, guard, next)
      }
    })
    done()
  }
  return Object.assign(plugin, pluginMarks)
}

/** What fastify-plugin would add: the hooks are for the whole app, and for no other major version. */
const pluginMarks = {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'countersign',
  [Symbol.for('plugin-meta')]: { name: 'countersign', fastify: '5.x' },
}

type FastifyInstance = {
  hasRequestDecorator(name: string): boolean
  decorateRequest(name: string, value: undefined): unknown
  addHook(
    name: 'onRoute',
    hook: (route: { readonly url: string; readonly config?: GuardedConfig }) => void,
  ): unknown
  addHook(
    name: 'onRequest',
    hook: (request: FastifyRequest, reply: FastifyReply, next: (error?: Error) => void) => void,
  ): unknown
}

type FastifyRequest = GuardedRequest & {
  readonly raw: IncomingMessage
  readonly originalUrl: string
  readonly is404: boolean
  readonly routeOptions: { readonly config?: GuardedConfig }
}

type FastifyReply = {
  readonly raw: ServerResponse
  code(status: number): FastifyReply
  header(name: string, value: string): FastifyReply
  headers(headers: Readonly<Record<string, string>>): FastifyReply
  send(body: string): unknown
}
