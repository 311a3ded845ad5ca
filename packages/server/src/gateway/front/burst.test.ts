import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Burst } from './burst.ts'

test('replies leave first; then everybody is served, and only then what they have to write is written', async () => {
  const done: string[] = []
  const burst = new Burst()
  for (const name of ['a', 'b']) {
    burst.arrive({
      serve() {
        done.push(`serve ${name}`)
        burst.leave({ leave: () => done.push(`request ${name}`) })
      },
    })
  }
  burst.leave({ leave: () => done.push('reply') })
  assert.deepEqual(done, [])
  await nextTurn()
  assert.deepEqual(done, ['reply', 'serve a', 'serve b', 'request a', 'request b'])
})

test('the first of a crowd do not wait for its last', async () => {
  const done: string[] = []
  const burst = new Burst()
  for (let index = 0; index < 100; index++) {
    burst.arrive({
      serve() {
        done.push('serve')
        burst.leave({ leave: () => done.push('leave') })
      },
    })
  }
  await nextTurn()
  assert.equal(done.length, 200)
  assert.equal(done.indexOf('leave'), 32)
  assert.equal(done.lastIndexOf('serve'), 195)
})

test('what comes while others are served and written comes about as well', async () => {
  const done: string[] = []
  const burst = new Burst()
  burst.arrive({
    serve: () =>
      burst.leave({
        leave() {
          done.push('first')
          burst.leave({ leave: () => done.push('second') })
        },
      }),
  })
  await nextTurn()
  await nextTurn()
  assert.deepEqual(done, ['first', 'second'])
})

test('a defect in one is nobody else’s, and is not swallowed', () => {
  const program = `
    import { Burst } from ${JSON.stringify(import.meta.resolve('./burst.ts'))}
    process.on('uncaughtException', ({ message }) => console.log(message))
    const burst = new Burst()
    const fails = (what) => () => { throw new Error(what + ' failed') }
    burst.leave({ leave: fails('leave') })
    burst.leave({ leave: () => console.log('left') })
    burst.arrive({ serve: fails('serve') })
    burst.arrive({ serve: () => console.log('served') })
    setTimeout(() => burst.arrive({ serve: () => console.log('served again') }), 10)
  `
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.deepEqual(stdout.trim().split('\n'), [
    'left',
    'served',
    'leave failed',
    'serve failed',
    'served again',
  ])
})
