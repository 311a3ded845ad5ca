import { Problem } from '../core/problem.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { contextNest, guardNest } from './nest.ts'
import type { HttpExceptionClass } from './nest.ts'

/** What is needed of Nest, which is not imported here: from `@nestjs/core` two names, from `@nestjs/common` the error. */
export type NestNames = {
  readonly APP_GUARD: string
  readonly APP_INTERCEPTOR: string
  readonly HttpException: HttpExceptionClass
}

/** A dynamic module of Nest. */
export type NestModule = {
  module: new () => object
  providers: { provide: string; useValue: object }[]
}

/**
 * A module that guards a whole Nest application, wherever it is imported: `guardNest` for every handler, and for a guard
 * with `context` also `contextNest`.
 *
 * @throws Problem `option-invalid`
 * @example
 * \@Module({ imports: [moduleNest(guard, { APP_GUARD, APP_INTERCEPTOR, HttpException })] })
 * class AppModule {}
 */
export function moduleNest<Terms extends GuardTerms>(guard: Guard<Terms>, nest: NestNames): NestModule {
  const { APP_GUARD, APP_INTERCEPTOR, HttpException } = nest
  // Without its name a provider would be one that nobody asks for, and everything would be open.
  if (typeof APP_GUARD !== 'string' || typeof APP_INTERCEPTOR !== 'string') {
    throw new Problem('option-invalid', 'moduleNest: expected APP_GUARD and APP_INTERCEPTOR of @nestjs/core')
  }
  if (typeof HttpException !== 'function') {
    throw new Problem('option-invalid', 'moduleNest: expected the HttpException of @nestjs/common')
  }
  const providers = [{ provide: APP_GUARD, useValue: guardNest(guard, HttpException) as object }]
  if (guard.context !== undefined) providers.push({ provide: APP_INTERCEPTOR, useValue: contextNest(guard) })
  // Nest knows modules by their class: each guard has one of its own.
  return { module: class CountersignModule {}, providers }
}
