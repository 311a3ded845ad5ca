// Joins the modules of a compiled package into few files: what several doors share stands in one file that all of them
// import, so that a class is the same class behind every door. Opening forty small files is most of what loading the
// verifier costs; joined it loads in a third of the time (docs/performance.md).
import { globSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rollup } from '@rollup/wasm-node'

/**
 * Replaces the `.js` files below `folder` by joined ones. Declarations stay where they are.
 *
 * @param entries the files that others load, relative to `folder`; they keep their names.
 */
export async function joinModules(folder, entries) {
  const joined = join(folder, 'joined')
  const bundle = await rollup({
    input: Object.fromEntries(entries.map((entry) => [entry.replace(/\.js$/, ''), join(folder, entry)])),
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
    // No module of ours does anything by being loaded; a test holds us to it.
    treeshake: { moduleSideEffects: false },
    onLog: (level, log) => {
      throw new Error(`joining modules: ${level}: ${log.message}`)
    },
  })
  const { output } = await bundle.write({
    dir: joined,
    chunkFileNames: 'shared/[name].js',
    hoistTransitiveImports: false,
  })
  await bundle.close()
  for (const file of globSync('**/*.js', { cwd: folder })) {
    if (!file.startsWith('joined')) rmSync(join(folder, file))
  }
  for (const { fileName } of output) {
    mkdirSync(dirname(join(folder, fileName)), { recursive: true })
    renameSync(join(joined, fileName), join(folder, fileName))
  }
  rmSync(joined, { recursive: true })
}
