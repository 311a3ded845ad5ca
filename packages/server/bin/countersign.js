#!/usr/bin/env node
// Starts the command line: from the sources beside it in a checkout, from dist where the package is installed.
// Plain JavaScript that any Node can parse, so that an old one gets a sentence instead of a syntax error.
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

const oldest = 24

if (Number(process.versions.node.split('.')[0]) < oldest) {
  console.error(`countersign: needs Node.js ${oldest} or newer; this is ${process.versions.node}`)
  console.error('  next: install a newer one from https://nodejs.org, or switch with your version manager')
  process.exitCode = 1
} else {
  // Halves the time to start. In a folder of this user's own: whoever could write into a shared one could choose our code.
  nodeModule.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'countersign'))
  if (existsSync(new URL('../src', import.meta.url))) {
    // What `node --conditions=source` does, for this process: packages resolve to their sources.
    nodeModule.registerHooks({
      resolve: (specifier, context, nextResolve) =>
        nextResolve(specifier, { ...context, conditions: ['source', ...context.conditions] }),
    })
  }
  const { main } = await import('#main')
  process.exitCode = await main(process.argv.slice(2))
}
