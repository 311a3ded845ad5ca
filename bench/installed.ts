import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The packages as npm would install them; what they depend on is linked from here. */
export function installPackages(folder: string): void {
  const built = spawnSync(process.execPath, [join(root, 'scripts/build.js')], { stdio: 'ignore' })
  if (built.status !== 0) throw new Error('the packages do not build')
  for (const [name, source] of [
    ['@countersign/sdk', 'packages/sdk'],
    ['countersign', 'packages/server'],
  ] as const) {
    const target = join(folder, 'node_modules', name)
    mkdirSync(target, { recursive: true })
    for (const part of ['package.json', 'dist', ...(name === 'countersign' ? ['bin'] : [])]) {
      cpSync(join(root, source, part), join(target, part), { recursive: true })
    }
  }
  const manifest = readFileSync(join(root, 'packages/server/package.json'), 'utf8')
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> }
  for (const name of Object.keys(dependencies)) {
    if (name.startsWith('@countersign/')) continue
    const target = join(folder, 'node_modules', name)
    mkdirSync(dirname(target), { recursive: true })
    const own = join(root, 'packages/server/node_modules', name)
    const nested = spawnSync('test', ['-d', own]).status === 0
    symlinkSync(nested ? own : join(root, 'node_modules', name), target)
  }
}

const root = fileURLToPath(new URL('..', import.meta.url))
