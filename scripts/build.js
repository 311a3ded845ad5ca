// Makes packages/*/dist for publishing: JavaScript and declarations, no tests. In this repository the sources run
// as they are; dist exists because Node strips no types under node_modules.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, globSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { joinModules } from './join-modules.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = join(root, 'node_modules/typescript/bin/tsc')

// The sdk first: the server's declarations are checked against the sdk's dist, as a user's will be.
const mistakes = []
for (const name of ['sdk', 'server']) {
  const folder = join(root, 'packages', name)
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  compile(folder)
  renameDeclarationImports(folder)
  await joinModules(join(folder, 'dist'), entriesOf(folder))
  mistakes.push(...inspect(folder))
}
for (const mistake of mistakes) console.error(`build: ${mistake}`)
if (mistakes.length > 0) process.exit(1)

function compile(folder) {
  const done = spawnSync(process.execPath, [tsc, '-p', join(folder, 'tsconfig.build.json')], {
    stdio: 'inherit',
  })
  if (done.status === 0) return
  console.error(`build: the type checker refused ${relative(root, folder)}`)
  process.exit(1)
}

/** The modules that somebody loads by name: the doors of the sdk, the command line of the server. */
function entriesOf(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const targets = publishedTargets(manifest).filter((path) => /^\.\/dist\/.*\.js$/.test(path))
  return targets.map((path) => path.slice('./dist/'.length))
}

/** tsc writes `.js` into the imports of code but leaves `.ts` in those of declarations, which not every compiler takes. */
function renameDeclarationImports(folder) {
  for (const file of globSync('dist/**/*.d.ts', { cwd: folder })) {
    const path = join(folder, file)
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replaceAll(/((?:from|import\()\s*['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'))
  }
}

/** What would break for the one who installs the package, as sentences; empty when all is well. */
function inspect(folder) {
  const found = []
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = globSync('dist/**/*', { cwd: folder }).filter((file) => statSync(join(folder, file)).isFile())

  for (const target of publishedTargets(manifest)) {
    if (!existsSync(join(folder, target)))
      found.push(`${manifest.name}: ${target} is named but does not exist`)
  }
  for (const file of files) {
    if (/\.test\./.test(file)) found.push(`${manifest.name}: ${file} is a test`)
    const text = readFileSync(join(folder, file), 'utf8')
    if (/(?:from|import\()\s*['"]\.[^'"]*\.ts['"]/.test(text)) {
      found.push(`${manifest.name}: ${file} imports TypeScript`)
    }
  }
  for (const bin of Object.values(manifest.bin ?? {})) {
    const path = join(folder, bin)
    if (!existsSync(path)) continue
    chmodSync(path, 0o755)
    if (!readFileSync(path, 'utf8').startsWith('#!/usr/bin/env node\n')) {
      found.push(`${manifest.name}: ${bin} has no "#!/usr/bin/env node" line`)
    }
  }
  for (const text of ['README.md', 'LICENSE']) {
    if (!existsSync(join(folder, text))) found.push(`${manifest.name}: ${text} is missing`)
  }
  const bytes = files
    .filter((file) => file.endsWith('.js'))
    .reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
  console.log(
    `${manifest.name} ${manifest.version}: ${files.length} files, ${Math.round(bytes / 1024)} kB of code`,
  )
  return found
}

/** Every file that package.json names for users of the published package. */
function publishedTargets(manifest) {
  const targets = [...Object.values(manifest.bin ?? {})]
  for (const value of [...Object.values(manifest.exports ?? {}), ...Object.values(manifest.imports ?? {})]) {
    if (typeof value === 'string') targets.push(value)
    else targets.push(...Object.entries(value).flatMap(([name, path]) => (name === 'source' ? [] : [path])))
  }
  return targets
}
