import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { median } from './measure.ts'

const exec = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

/** Compiles the sdk into a folder, module by module. */
export async function buildSdk(folder: string): Promise<void> {
  const project = join(root, 'packages/sdk/tsconfig.build.json')
  await exec(join(root, 'node_modules/.bin/tsc'), ['-p', project, '--outDir', folder])
  await writeFile(join(folder, 'package.json'), '{"type":"module"}\n')
}

/**
 * What it takes to import a module in a fresh process that has already loaded one ES module.
 *
 * @param present modules that are there before.
 */
export async function importCost(
  module: string,
  present: readonly string[] = [],
): Promise<{ cpuMs: number; wallMs: number }> {
  const script = `
    await import('data:text/javascript,export{}')
    for (const name of ${JSON.stringify(present)}) await import(name)
    const before = process.cpuUsage()
    const start = performance.now()
    await import(${JSON.stringify(module)})
    const used = process.cpuUsage(before)
    console.log((used.user + used.system) / 1000, performance.now() - start)`
  const samples: number[][] = []
  for (let run = 0; run < 15; run++) {
    const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', script])
    samples.push(stdout.trim().split(' ').map(Number))
  }
  return { cpuMs: median(samples.map(([cpu]) => cpu!)), wallMs: median(samples.map(([, wall]) => wall!)) }
}
