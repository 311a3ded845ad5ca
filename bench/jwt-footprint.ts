import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { rollup } from '@rollup/wasm-node'
import { minify } from 'terser'
import { joinModules } from '../scripts/join-modules.js'
import { buildSdk, importCost } from './import-cost.ts'
import { table } from './measure.ts'

const exec = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

/** What a service pays for having the verifier at all: loading it, its size, and its memory under many tokens. */
export async function footprint(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  try {
    await buildSdk(folder)
    const local = await minifiedBytes(folder, ['createVerifier', 'createKeySet', 'readJwks'])
    const remote = await minifiedBytes(folder, ['createVerifier', 'createRemoteKeySet'])
    const whole = await minifiedBytes(folder, ['*'])
    await joinModules(folder, ['jwt.js'])
    const crypto = await importCost('node:crypto')
    const door = await importCost(join(folder, 'jwt.js'))
    return [
      '## Loading it',
      '',
      table(
        ['', 'CPU ms', 'wall ms', 'kB minified'],
        [
          ['node:crypto alone', crypto.cpuMs.toFixed(1), crypto.wallMs.toFixed(1), ''],
          ['the door @countersign/sdk/jwt', door.cpuMs.toFixed(1), door.wallMs.toFixed(1), kilobytes(whole)],
          ['of it, createVerifier with keys at hand', '', '', kilobytes(local)],
          ['of it, createVerifier with fetched keys', '', '', kilobytes(remote)],
        ],
      ),
      '',
      'The package as it is published. Median of 15 fresh processes; node:crypto is part of the door. Sizes are what a bundler that',
      'leaves out what is not used makes of that import, minified; what is loaded on the first fetch is not in it.',
      '',
      '## Memory: 1,000,000 distinct tokens through a cache of 10,000',
      '',
      'HS256, each token made in the same process, its claims read. V8 lets the young generation grow for as long as a process runs;',
      'it is held at 16 MiB here (`--max-semi-space-size=16`), so that what grows is what is kept.',
      '',
      await memory(),
    ].join('\n')
  } finally {
    await rm(folder, { recursive: true })
  }
}

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(1)
}

/** The size of the door with only these names imported from it. */
async function minifiedBytes(folder: string, names: readonly string[]): Promise<number> {
  const entry = join(folder, 'entry.js')
  const imported = names.includes('*') ? '*' : `{ ${names.join(', ')} }`
  await writeFile(entry, `export ${imported} from './jwt.js'\n`)
  const bundle = await rollup({
    input: entry,
    external: (id) => id.startsWith('node:'),
    treeshake: { moduleSideEffects: false },
  })
  const { output } = await bundle.generate({})
  await bundle.close()
  let bytes = 0
  for (const chunk of output) {
    if (chunk.type !== 'chunk' || chunk.isDynamicEntry) continue
    const { code } = await minify(chunk.code, { module: true, compress: { passes: 2 } })
    bytes += Buffer.byteLength(code ?? '')
  }
  await rm(entry)
  return bytes
}

async function memory(): Promise<string> {
  const { stdout } = await exec(
    process.execPath,
    ['--conditions=source', '--expose-gc', '--max-semi-space-size=16', join(root, 'bench/jwt-memory.ts')],
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
