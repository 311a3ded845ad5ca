/** docs/issuer.md: each trust file is read, and the code is run against the servers of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { mistakesText } from '../../packages/server/src/trust/mistake.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import type { Trust } from '../../packages/server/src/trust/trust.ts'
import { freePort } from '../machine/free-port.ts'

const page = readFileSync(new URL('../../docs/issuer.md', import.meta.url), 'utf8')
const files = blocks('yaml')

test('every trust file has no mistake', () => {
  assert.ok(files.length > 3)
  for (const text of files) read(text)
})

test('the code gets a bound token, answers for the nonces, and calls through the gateway', async () => {
  const asked: (string | undefined)[] = []
  const billing = createServer((request, response) => {
    asked.push(request.headers.authorization?.split(' ')[0])
    response.end('invoice 7')
  })
  const [issuer, gateway] = [await freePort(), await freePort()]
  billing.listen(0, '127.0.0.1')
  await once(billing, 'listening')
  const here = (text: string): string =>
    text
      .replaceAll(':8080', `:${issuer}`)
      .replaceAll(':9001', `:${gateway}`)
      .replaceAll(':9101', `:${(billing.address() as AddressInfo).port}`)
  const servers = await startServers({ trust: read(here(files[0]!)), drainMs: 100 })
  try {
    const [code] = blocks('js')
    const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', here(code!)], {
      env: { ...process.env, ORDERS_SECRET: secret },
      cwd: new URL('../..', import.meta.url),
    })
    let output = ''
    child.stdout.on('data', (chunk) => (output += String(chunk)))
    child.stderr.on('data', (chunk) => (output += String(chunk)))
    await once(child, 'close')
    assert.equal(output, '200\n')
    assert.deepEqual(asked, ['DPoP'])
  } finally {
    await servers.close()
    billing.close()
    billing.closeAllConnections()
  }
})

const secret = 'a-secret-of-the-client-of-32-bytes'

function blocks(language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm')
  return [...page.matchAll(fence)].map((match) => match[1]!)
}

function read(text: string): Trust {
  const env = { ORDERS_SECRET: secret, PARTNER_SECRET: secret, BILLING_API_SECRET: secret }
  const reading = readTrust(text, { file: 'countersign.yaml', env, readFile: () => 'x' })
  assert.ok(
    reading.kind === 'trust',
    reading.kind === 'mistakes' ? mistakesText('docs', reading.mistakes) : '',
  )
  return reading.trust
}
