// Everything a change must pass, in the order in which it fails fastest. What CI runs, and what to run before a push.
//   npm run check               all of it
//   npm run check -- --quick    no second Node version
// The last line is `N passed, N failed`; the exit code is 0 only when nothing failed.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const logs = join(root, '.cache/check')
const quick = process.argv.includes('--quick')
const total = { passed: 0, failed: 0 }
// Half an hour is what CI gives, and installing comes before.
const endsAtMs = performance.now() + 27 * 60_000
const failuresMark = '✖ failing tests:'
let running

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopRunning()
    process.exit(1)
  })
}

mkdirSync(logs, { recursive: true })
process.env.JOSE_VECTORS = resolve(root, process.env.JOSE_VECTORS ?? '../shared/vectors')

await step('format', [
  process.execPath,
  'node_modules/prettier/bin/prettier.cjs',
  '--check',
  '--log-level',
  'warn',
  '.',
])
await step('types', [process.execPath, 'node_modules/typescript/bin/tsc', '--noEmit'])
await step('build', [process.execPath, 'scripts/build.js'])
await tests(process.execPath)
const older = quick ? undefined : olderNode()
if (older !== undefined) await tests(older)

console.log(`${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed === 0 ? 0 : 1)

/** One command that either passes or fails; its output is shown only when it fails. */
async function step(name, command) {
  const { code, output, seconds } = await run(command)
  if (code === 0) total.passed += 1
  else total.failed += 1
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
  if (code !== 0) console.log(output.trimEnd())
}

/** All tests on one Node; what failed or was skipped is shown, the rest goes to a file. */
async function tests(node) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  const log = join(logs, `tests-${version}.log`)
  const { code, output, seconds } = await run([
    node,
    '--conditions=source',
    '--test',
    '--test-concurrency=2',
    '--test-timeout=240000',
    '--test-reporter=spec',
    `--test-reporter-destination=${log}`,
    ...testFiles(),
  ])
  const report = existsSync(log) ? readFileSync(log, 'utf8') : ''
  const passed = count(report, 'pass')
  const failed = count(report, 'fail') + count(report, 'cancelled')
  // A runner that dies without counting is a failure too.
  const silent = code !== 0 && failed === 0 ? 1 : 0
  total.passed += passed
  total.failed += failed + silent
  const skipped = count(report, 'skipped')
  console.log(
    `${code === 0 ? 'ok    ' : 'FAILED'} tests on Node ${version}: ${passed} passed, ${failed + silent} failed, ` +
      `${skipped} skipped (${seconds} s; ${relative(root, log)})`,
  )
  for (const line of report.match(/^.*# SKIP.*$|^\s*﹣ .*$/gm) ?? []) console.log(`       ${line.trim()}`)
  if (code !== 0)
    console.log(report.includes(failuresMark) ? report.slice(report.indexOf(failuresMark)) : output)
}

function testFiles() {
  return ['packages/*/src/**/*.test.ts', 'test/*/*.test.ts', 'examples/*/*.test.ts'].flatMap((pattern) =>
    globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }).sort(),
  )
}

function count(report, what) {
  return Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(report)?.[1] ?? 0)
}

/**
 * The oldest Node we promise to run on: `NODE24` when it is set, else installed once into .cache by npm.
 * Without either, that half of the check is skipped, and said to be.
 */
function olderNode() {
  const named = process.env.NODE24
  if (named) return named
  const folder = join(root, '.cache/node24')
  const node = join(folder, 'node_modules/node/bin/node')
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true })
    // The package unpacks Node in an install script, which npm runs only where it is allowed by name.
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ private: true, allowScripts: { node: true } }),
    )
    const done = spawnSync('npm', ['install', '--no-save', '--no-package-lock', 'node@24'], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 180_000,
    })
    if (done.status !== 0 || !existsSync(node)) {
      console.log(
        'skip   tests on Node 24: it could not be installed here (set NODE24=/path/to/node to use another)',
      )
      return undefined
    }
  }
  return node
}

/** Runs a command to its end, with a limit, in a process group of its own so that nothing outlives it. */
function run(command) {
  const started = performance.now()
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NO_COLOR: '1',
        FORCE_COLOR: undefined,
        // Hundreds of processes load the same modules: compiled once, that is a third of their time.
        NODE_COMPILE_CACHE: join(root, '.cache/compile'),
      },
    })
    running = child
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    const limit = setTimeout(() => {
      output += '\nstopped: the whole check has taken 27 minutes'
      stopRunning()
    }, endsAtMs - started)
    child.once('close', (code) => {
      clearTimeout(limit)
      stopRunning()
      running = undefined
      resolve({ code: code ?? 1, output, seconds: Math.round((performance.now() - started) / 100) / 10 })
    })
  })
}

function stopRunning() {
  if (running?.pid === undefined) return
  try {
    process.kill(-running.pid, 'SIGKILL')
  } catch {
    // Nobody of that group is left, which is what was wanted.
  }
}
