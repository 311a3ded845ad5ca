// Plain JavaScript on purpose: it has to run, and speak clearly, on any Node a machine may have.
const [major] = process.versions.node.split('.').map(Number)
if (major < 24) {
  console.error(
    `countersign needs Node.js 24 or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      'The repository brings its own. If it is not used, its install script was blocked: run\n' +
      '  npm rebuild node\n' +
      'and try again, or install Node.js 24 or newer.',
  )
  process.exit(1)
}
