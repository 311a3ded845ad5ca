import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, portVariables, root } from './demo-process.ts'

// The packages as a user gets them: built, packed, unpacked into an empty project, run without any flag. Dependencies
// are linked from this repository instead of being downloaded: exactly those that the packed package.json declares.

const project = mkdtempSync(join(tmpdir(), 'countersign-packed-'))
const modules = join(project, 'node_modules')
const packed: Record<string, string[]> = {}
const archives: string[] = []
const sizes: number[] = []

before(() => {
  run(process.execPath, [join(root, 'scripts/build.js')], root)
  for (const [name, folder] of [
    ['@countersign/sdk', 'packages/sdk'],
    ['countersign', 'packages/server'],
  ] as const) {
    const [report] = JSON.parse(
      run('npm', ['pack', '--json', '--pack-destination', project], join(root, folder)),
    )
    archives.push(report.filename)
    sizes.push(report.size)
    packed[name] = report.files.map((file: { path: string }) => file.path)
    const target = join(modules, name)
    mkdirSync(target, { recursive: true })
    run('tar', ['-xzf', join(project, report.filename), '-C', target, '--strip-components=1'], project)
  }
  const { dependencies } = JSON.parse(readFileSync(join(modules, 'countersign/package.json'), 'utf8'))
  for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) link(name)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }))
})
after(() => rmSync(project, { recursive: true, force: true }))

test('the packages hold code, declarations, licence and readme; no tests and no sources', () => {
  for (const [name, files] of Object.entries(packed)) {
    assert.ok(files.includes('LICENSE') && files.includes('README.md'), name)
    assert.deepEqual(
      files.filter((file) => /\.test\.|^src\/|\.tgz$|tsconfig/.test(file)),
      [],
      name,
    )
  }
})

test('the sdk is small, and brings nobody along', () => {
  const manifest = JSON.parse(readFileSync(join(modules, '@countersign/sdk/package.json'), 'utf8'))
  assert.equal(manifest.dependencies ?? manifest.optionalDependencies, undefined)
  assert.ok(sizes[0]! <= 250_000, `${sizes[0]} bytes`)
})

test('the README names the archive that a project installs', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  assert.ok(
    readme.includes(`\`npm run build && npm pack --workspaces\` makes\n\`${archives[0]}\` to install`),
  )
})

test('every door can be imported and gives what the source gives', async () => {
  const { exports } = JSON.parse(readFileSync(join(modules, '@countersign/sdk/package.json'), 'utf8'))
  for (const subpath of Object.keys(exports).filter((subpath) => subpath !== './package.json')) {
    const door = `@countersign/sdk${subpath.slice(1)}`
    const script = `import * as door from '${door}'; console.log(JSON.stringify(Object.keys(door).sort()))`
    const names = JSON.parse(run(process.execPath, ['--input-type=module', '-e', script], project))
    const source = await import(join(root, 'packages/sdk/src', `${subpath.slice(2)}.ts`))
    assert.deepEqual(names, Object.keys(source).sort(), door)
  }
})

test('every door can be required from CommonJS, with nothing said about it', () => {
  const { exports } = JSON.parse(readFileSync(join(modules, '@countersign/sdk/package.json'), 'utf8'))
  const doors = Object.keys(exports).filter((subpath) => subpath !== './package.json')
  writeFileSync(
    join(project, 'doors.cjs'),
    doors.map((subpath) => `require('@countersign/sdk${subpath.slice(1)}')`).join('\n') +
      `\nconst { createTestIssuer } = require('@countersign/sdk/testing')
       process.stderr.write('ready')
       const issuer = createTestIssuer()
       issuer.verifier().verify(issuer.token()).then(({ kind }) => console.log(kind))`,
  )
  const done = spawnSync(process.execPath, [join(project, 'doors.cjs')], { encoding: 'utf8' })
  assert.deepEqual([done.stdout.trim(), done.stderr], ['verified', 'ready'])
})

test('the rooms behind the doors cannot be imported', () => {
  const script = `import('@countersign/sdk/dist/jwt/key.js').then(() => process.exit(9), (error) => console.log(error.code))`
  assert.equal(run(process.execPath, ['-e', script], project).trim(), 'ERR_PACKAGE_PATH_NOT_EXPORTED')
})

test('a strict TypeScript project compiles against the declarations', () => {
  writeFileSync(join(project, 'service.ts'), consumer)
  writeFileSync(join(project, 'older.cts'), olderConsumer)
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2024',
        module: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        types: ['node'],
        outDir: 'out',
      },
      files: ['service.ts', 'older.cts'],
    }),
  )
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]
  // What most bundlers' projects say; it finds the declarations by the same exports.
  run(
    process.execPath,
    [...tsc, '--noEmit', '--module', 'preserve', '--moduleResolution', 'bundler'],
    project,
  )
  run(process.execPath, tsc, project)
  assert.equal(run(process.execPath, [join(project, 'out/service.js')], project).trim(), 'verified orders')
  assert.equal(run(process.execPath, [join(project, 'out/older.cjs')], project).trim(), '401')
})

test('the command says its version and its help', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'packages/server/package.json'), 'utf8'))
  assert.equal(run(process.execPath, [command(), '--version'], project).trim(), version)
  assert.match(run(process.execPath, [command(), '--help'], project), /demo/)
})

test('a new trust file names the schema that came with the package, and is good', () => {
  const folder = join(project, 'new')
  mkdirSync(folder)
  run(process.execPath, [command(), 'init'], folder)
  const text = readFileSync(join(folder, 'countersign.yaml'), 'utf8')
  const [, schema = ''] = /\$schema=(\S+)/.exec(text) ?? []
  // Relative to where the package will be for everybody: beside the file.
  assert.equal(schema, './node_modules/countersign/schema/trust-file.schema.json')
  assert.ok(existsSync(join(modules, 'countersign/schema/trust-file.schema.json')))
  run(process.execPath, [command(), 'check', '--env', 'countersign.env'], folder)
})

test('the demo runs from the packages, and does without the identity provider', async () => {
  const ports = await freePorts()
  const child = spawn(process.execPath, [command(), 'demo'], {
    cwd: project,
    env: { PATH: process.env['PATH'], NO_COLOR: '1', ...portVariables(ports) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (printed += text))
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => reject(new Error(`the demo ended\n${printed}`)))
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text
      if (printed.includes('Ctrl-C stops everything')) resolve()
    })
  })
  assert.match(printed, /oidc-provider is not installed/)
  const token = await (await fetch(`http://localhost:${ports.issuer}/`)).text()
  const answer = await fetch(`http://localhost:${ports.gateway}/`, { headers: { token } })
  assert.equal(await answer.text(), 'Super Secret Information')
  assert.ok(existsSync(join(project, '.countersign/demo/orders.secret')))
  child.removeAllListeners('close')
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGINT')
  assert.equal(await ended, 0)
})

function command(): string {
  return join(modules, 'countersign/bin/countersign.js')
}

function run(program: string, args: readonly string[], cwd: string): string {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' }
  delete env['NODE_OPTIONS']
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', env })
  assert.equal(done.status, 0, `${program} ${args.join(' ')}\n${done.stdout}${done.stderr}`)
  return done.stdout
}

/** Links one dependency; what it depends on in turn is found from where it really is. */
function link(name: string): void {
  const target = join(modules, name)
  if (existsSync(target)) return
  const found = [join(root, 'packages/server/node_modules', name), join(root, 'node_modules', name)].find(
    existsSync,
  )
  assert.ok(
    found,
    `${name} is declared but not installed: ${readdirSync(join(root, 'node_modules')).length} packages are`,
  )
  mkdirSync(join(target, '..'), { recursive: true })
  symlinkSync(found, target)
}

// Spelled apart: this repository allows itself no such mark.
const expectError = 'expect' + '-error'
const consumer = `
import { createKeySet, createSigner, createVerifier, generateSigningKey, verificationKey } from '@countersign/sdk/jwt'
import type { VerifiedToken } from '@countersign/sdk/jwt'

const key = generateSigningKey('ES256')
const verifier = createVerifier({
  issuer: 'https://issuer.example',
  audience: 'billing',
  keySet: createKeySet([verificationKey(key)]),
})
const exp = Math.floor(Date.now() / 1000) + 60
const token = createSigner({ key }).sign({ iss: 'https://issuer.example', aud: 'billing', sub: 'orders', exp })
const verification = await verifier.verify(token)
if (verification.kind !== 'verified') throw new Error(verification.denial.reason)
const verified: VerifiedToken = verification.token
console.log('verified', verified.subject)
// @ts-${expectError} a token that nobody verified is not a VerifiedToken
const forged: VerifiedToken = { ...verified }
void forged
`
/** Compiled to CommonJS. */
const olderConsumer = `
import { createGuard } from '@countersign/sdk/guard'
import type { Guard } from '@countersign/sdk/guard'
import testing = require('@countersign/sdk/testing')

const guard: Guard = testing.createTestIssuer().guard()
void createGuard
void Promise.resolve(guard.check({ method: 'GET', target: '/', rawHeaders: [] }, 'authenticated')).then((decision) => {
  if (decision.kind === 'deny') console.log(guard.answer(decision, []).status)
})
`
