/**
 * Test support: a gateway in a process of its own, before the service at a URL. Prints its port, and for each line that it is sent
 * what it holds at present. `lone-gateway.ts <url> <limits as JSON>`
 */
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { openStand } from '../gateway/stand.ts'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

const [, , url = '', limits = '{}'] = process.argv
const stand = await openStand(url, { limits: JSON.parse(limits) })
process.stdout.write(`${stand.port}\n`)
process.stdin.on('data', () => {
  stand.decisions.length = 0
  collect()
  stand.gateway.server.getConnections((_, connections) => {
    const { heapUsed, external, rss } = process.memoryUsage()
    const files = readdirSync('/proc/self/fd').length
    process.stdout.write(`${JSON.stringify({ connections, files, used: heapUsed + external, rss })}\n`)
  })
})
