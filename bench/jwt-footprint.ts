import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { minify } from 'terser'
import { median, table } from './measure.ts'

const exec = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

/** What a service pays for having the verifier at all: loading it, its size, and its memory under many tokens. */
export async function footprint(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  try {
    await exec(join(root, 'node_modules/.bin/tsc'), [
      '-p',
      join(root, 'packages/sdk/tsconfig.build.json'),
      '--outDir',
      folder,
    ])
    await writeFile(join(folder, 'package.json'), '{"type":"module"}\n')
    const crypto = await importCost('node:crypto')
    const door = await importCost(join(folder, 'jwt.js'))
    const verifying = ['jwt/verifier.js', 'jwt/remote-key-set.js', 'jwt/key-set.js', 'jwt/revocations.js']
    const verifier = await importCost(...verifying.map((file) => join(folder, file)))
    const size = await minifiedBytes(verifying.map((file) => join(folder, file)))
    const whole = await minifiedBytes([join(folder, 'jwt.js')])
    return [
      '## Loading it',
      '',
      table(
        ['', 'CPU ms', 'kB minified'],
        [
          ['node:crypto alone', crypto.toFixed(1), ''],
          ['createVerifier with local and remote key sets', verifier.toFixed(1), (size / 1000).toFixed(1)],
          ['the whole door @countersign/sdk/jwt', door.toFixed(1), (whole / 1000).toFixed(1)],
        ],
      ),
      '',
      'Median of 9 fresh processes; node:crypto is part of the other two. Sizes are the sum of the files, each minified alone.',
      '',
      '## Memory: 1,000,000 distinct tokens through a cache of 10,000',
      '',
      await memory(),
    ].join('\n')
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** CPU milliseconds to import modules in a fresh process that has already loaded one ES module. */
async function importCost(...modules: string[]): Promise<number> {
  const script = `
    await import('data:text/javascript,export{}')
    const before = process.cpuUsage()
    for (const name of ${JSON.stringify(modules)}) await import(name)
    const used = process.cpuUsage(before)
    console.log((used.user + used.system) / 1000)`
  const samples: number[] = []
  for (let run = 0; run < 9; run++) {
    const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', script])
    samples.push(Number(stdout))
  }
  return median(samples)
}

/** Follows static imports only: what is imported on use is not paid for by loading. */
async function minifiedBytes(entries: readonly string[]): Promise<number> {
  const seen = new Set<string>()
  let bytes = 0
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return
    seen.add(file)
    const text = await readFile(file, 'utf8')
    for (const [, target] of text.matchAll(/^(?:import|export) [^'"]*from '(\.[^']+)'/gm)) {
      await visit(resolve(dirname(file), target!))
    }
    const { code } = await minify(text, { module: true, compress: { passes: 2 } })
    bytes += Buffer.byteLength(code ?? '')
  }
  for (const entry of entries) await visit(entry)
  return bytes
}

async function memory(): Promise<string> {
  const { stdout } = await exec(
    process.execPath,
    ['--conditions=source', '--expose-gc', join(root, 'bench/jwt-memory.ts')],
    {
      maxBuffer: 1 << 20,
    },
  )
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  return table(['tokens verified', 'resident MiB', 'heap used MiB after collection'], rows)
}
