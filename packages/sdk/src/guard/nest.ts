import type { IncomingMessage } from 'node:http'
import { Problem } from '../core/problem.ts'
import type { Policy, Requirement } from '../policy/policy.ts'
import type { Principal } from '../policy/principal.ts'
import { authOf, proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { messageOf, nodeGuardRequest } from './guard-request.ts'
import { isGone } from './node.ts'
import { checkOneRequirement, outcomeInTurn, responseHeadersOf } from './outcome.ts'

/** Nest's `HttpException`, or any error that its exception filters can read. */
export type HttpExceptionClass = new (body: object, status: number) => Error

/** Nest's `ExecutionContext`, as far as a guard needs it. */
export type NestContext = {
  getType(): string
  getHandler(): object
  getClass(): object
  switchToHttp(): { getRequest(): unknown; getResponse(): unknown }
}

/** Nest's `CanActivate`; always a promise, so that nobody takes it for an answer. */
export type NestGuard = { canActivate(context: NestContext): Promise<boolean> }

/**
 * A guard for a whole Nest application: every handler needs a token, unless a decorator says something else
 * ({@link Public}, {@link Roles}, {@link Scopes}, {@link Needs}). Refusals are exceptions, with a problem document and
 * the challenge, and pass through the application's exception filters.
 *
 * Nothing of Nest is imported: register it with Nest's own `APP_GUARD`, and give it Nest's `HttpException`.
 *
 * @example
 * \@Module({ providers: [{ provide: APP_GUARD, useValue: guardNest(guard, HttpException) }] })
 * class AppModule {}
 */
export function guardNest<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  HttpException: HttpExceptionClass,
): NestGuard {
  return Object.freeze({
    async canActivate(context: NestContext): Promise<boolean> {
      if (context.getType() !== 'http') {
        throw new Problem('option-invalid', `guardNest: cannot guard a handler of ${context.getType()}`, {
          next: 'guard it by its own adapter; this one is for HTTP',
        })
      }
      const http = context.switchToHttp()
      const request = http.getRequest() as NestRequest
      const message = messageOf<IncomingMessage>(request)
      const asked = nodeGuardRequest(message, request.originalUrl)
      const outcome = await outcomeInTurn(guard, asked, requirementOf(context), message, wantsJson)
      const response = http.getResponse() as NestResponse
      // Whoever asked may have left meanwhile.
      if (isGone(response.raw ?? response)) return false
      const isRefused = outcome.kind === 'refused'
      const headers = isRefused ? Object.entries(outcome.challenge.headers) : responseHeadersOf(outcome)
      for (const [name, value] of headers) response.header(name, value)
      if (isRefused) {
        throw new HttpException(JSON.parse(outcome.challenge.body) as object, outcome.challenge.status)
      }
      rememberAuth(request, outcome.principal, guard)
      if (outcome.principal !== undefined) request.auth = outcome.principal
      return true
    },
  })
}

/**
 * Runs handlers in the context of their guard, where it has one: register it with Nest's own `APP_INTERCEPTOR`, beside
 * the guard. It does nothing for a guard without `context`.
 *
 * @example
 * providers: [{ provide: APP_INTERCEPTOR, useValue: contextNest(guard) }]
 */
export function contextNest<Terms extends GuardTerms>(guard: Guard<Terms>): NestInterceptor {
  return Object.freeze({
    // Nest remembers the context in which it is asked for what comes next.
    intercept: <Answer>(context: NestContext, next: { handle(): Answer }): Answer =>
      context.getType() === 'http'
        ? proceed(context.switchToHttp().getRequest() as object, guard, () => next.handle())
        : next.handle(),
  })
}

/** Nest's `NestInterceptor`. */
export type NestInterceptor = {
  intercept<Answer>(context: NestContext, next: { handle(): Answer }): Answer
}

/** Lets everybody through: for one handler, or for all of a controller that say nothing themselves. */
export function Public(): NestDecorator {
  return decorator('open')
}

/** Needs each of these roles; `Roles<BillingRole>('reader')` lets the compiler look for misspelt ones. */
export function Roles<Role extends string>(...roles: readonly Role[]): NestDecorator {
  return decorator({ roles })
}

/** Needs each of these scopes. */
export function Scopes<Scope extends string>(...scopes: readonly Scope[]): NestDecorator {
  return decorator({ scopes })
}

/**
 * Needs a policy, or `authenticated`. Decorators on one handler add up, and so do those of the controller and of its
 * handler: only {@link Public} on the handler takes away what the controller asks.
 */
export function Needs(requirement: 'authenticated' | Policy): NestDecorator {
  return decorator(requirement)
}

/**
 * Gives a handler who acts, as a parameter: `const Auth = createParamDecorator(readAuth)`, with the function of Nest.
 *
 * @throws Problem `auth-missing` on a public handler.
 * @example
 * const Auth = createParamDecorator(readAuth)
 * \@Get('me') me(\@Auth() auth: Principal) { return auth.subject }
 */
export function readAuth(_: unknown, context: NestContext): Principal {
  return authOf(context.switchToHttp().getRequest() as object)
}

/** Goes on a class or on a method. */
export type NestDecorator = (
  target: object,
  key?: string | symbol,
  descriptor?: { readonly value?: unknown },
) => void

function decorator(requirement: Requirement): NestDecorator {
  checkOneRequirement('decorator', requirement)
  return (target, _, descriptor) => {
    const decorated = (descriptor?.value ?? target) as object
    const before = metadata().getOwnMetadata(requirementKey, decorated)
    metadata().defineMetadata(
      requirementKey,
      before === undefined ? requirement : both(before, requirement),
      decorated,
    )
  }
}

/** What the handler says, and what its controller says; joined once, since the guard compiles a policy per object. */
function requirementOf(context: NestContext): Requirement {
  const handler = context.getHandler()
  const controller = context.getClass()
  let known = joined.get(handler)
  if (known === undefined) joined.set(handler, (known = new WeakMap()))
  let requirement = known.get(controller)
  if (requirement === undefined) {
    requirement = join(
      metadata().getMetadata(requirementKey, handler),
      metadata().getMetadata(requirementKey, controller),
    )
    known.set(controller, requirement)
  }
  return requirement
}

/** Nothing that a controller asks is dropped because its handler asks something else. */
function join(own: Requirement | undefined, controllers: Requirement | undefined): Requirement {
  if (own === 'open' || controllers === undefined) return own ?? 'authenticated'
  if (own === undefined || own === 'authenticated')
    return controllers === 'open' ? (own ?? 'open') : controllers
  return typeof controllers === 'string' ? own : { allOf: [controllers, own] }
}

function both(one: Requirement, other: Requirement): Requirement {
  if (one === 'open' || other === 'open') {
    throw new Problem('policy-invalid', 'Public stands beside a decorator that asks for something', {
      next: 'keep one of the two',
    })
  }
  if (one === 'authenticated') return other
  return other === 'authenticated' ? one : { allOf: [other, one] }
}

/** reflect-metadata, which Nest brings along and which its `Reflector` reads. */
function metadata(): ReflectMetadata {
  const reflect = Reflect as unknown as Partial<ReflectMetadata>
  if (typeof reflect.defineMetadata === 'function') return reflect as ReflectMetadata
  throw new Problem('option-invalid', 'the decorators need reflect-metadata', {
    next: 'import @nestjs/common first, as every Nest application does',
  })
}

type ReflectMetadata = {
  defineMetadata(key: string, value: Requirement, target: object): void
  getMetadata(key: string, target: object): Requirement | undefined
  getOwnMetadata(key: string, target: object): Requirement | undefined
}

/** Express: the message itself. Fastify: an object with the message in `raw`. */
type NestRequest = IncomingMessage & {
  readonly raw?: IncomingMessage
  readonly originalUrl: string
  auth?: Principal
}

type NestResponse = {
  readonly raw?: { readonly destroyed: boolean }
  readonly destroyed: boolean
  header(name: string, value: string): unknown
}

const joined = new WeakMap<object, WeakMap<object, Requirement>>()
/** For Nest's `Reflector`, too. */
const requirementKey = 'countersign:requirement'
const wantsJson: readonly string[] = ['accept', 'application/json']
