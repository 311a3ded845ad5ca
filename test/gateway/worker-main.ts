/** Test support: a worker in a process of its own, as `countersign serve` runs it. */
import { createLog } from '../../packages/server/src/serve/log.ts'
import { workerPlace } from '../../packages/server/src/serve/workers/worker-place.ts'
import { runWorker } from '../../packages/server/src/serve/workers/worker.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'

const worker = workerPlace(process.env)
if (worker === undefined) throw new Error('nobody has forked this process as a worker')
process.exitCode = await runWorker({
  log: createLog({ worker, write: (line) => void process.stdout.write(line) }),
  read: async (text, file) => readTrust(text, { file, env: {}, readFile: () => '', secretsFor: 'gateway' }),
  drainMs: 300,
})
