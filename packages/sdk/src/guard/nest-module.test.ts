import 'reflect-metadata'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Controller, Get, HttpException, Module } from '@nestjs/common'
import { APP_GUARD, APP_INTERCEPTOR, NestFactory } from '@nestjs/core'
import { createTestIssuer } from '@countersign/sdk/testing'
import { listen } from '../../../../test/guard/listen.ts'
import { ask } from '../../../../test/guard/raw-request.ts'
import { createAuthContext } from './auth-context.ts'
import { Public } from './nest.ts'
import { moduleNest } from './nest-module.ts'

const nest = { APP_GUARD, APP_INTERCEPTOR, HttpException }

test('a module that is imported somewhere guards every controller, and carries the context', async () => {
  const issuer = createTestIssuer()
  const context = createAuthContext()
  const root = controllerOf(() => context.auth().subject)
  class Feature {}
  Module({ imports: [moduleNest(issuer.guard({ context }), nest)] })(Feature)
  class App {}
  Module({ imports: [Feature], controllers: [root] })(App)
  const { port, close } = await serve(App)
  assert.equal((await ask(port, { target: '/me' })).status, 401)
  const headers = ['Authorization', issuer.authorization({ subject: 'alice' })]
  assert.equal((await ask(port, { target: '/me', headers })).body, 'alice')
  assert.equal((await ask(port, { target: '/open' })).body, 'open')
  await close()
})

test('without a context it needs no interceptor', () => {
  const { providers } = moduleNest(createTestIssuer().guard(), nest)
  assert.deepEqual(
    providers.map(({ provide }) => provide),
    [APP_GUARD],
  )
})

test('two guards are two modules', () => {
  const guard = createTestIssuer().guard()
  assert.notEqual(moduleNest(guard, nest).module, moduleNest(guard, nest).module)
})

test('a name that is missing would leave everything open, and is refused', () => {
  const guard = createTestIssuer().guard()
  for (const name of Object.keys(nest)) {
    assert.throws(() => moduleNest(guard, { ...nest, [name]: undefined } as never), {
      code: 'option-invalid',
    })
  }
})

/** Decorators are not syntax here yet, so they are called as a compiler would call them. */
function controllerOf(me: () => string | undefined): new () => object {
  class Root {
    me(): string | undefined {
      return me()
    }
    open(): string {
      return 'open'
    }
  }
  Controller()(Root)
  for (const [name, decorators] of [
    ['me', [Get('me')]],
    ['open', [Get('open'), Public()]],
  ] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(Root.prototype, name)!
    for (const decorator of decorators) (decorator as MethodDecorator)(Root.prototype, name, descriptor)
  }
  return Root
}

async function serve(app: new () => object) {
  const started = await NestFactory.create(app, { logger: false, abortOnError: false })
  await started.init()
  const { port, close } = await listen(started.getHttpServer())
  return { port, close: () => close().then(() => started.close()) }
}
