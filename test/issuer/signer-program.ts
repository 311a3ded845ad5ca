/**
 * Test support: an external signer as operators write them, `signer-program.ts FOLDER`. Its keys are the folder's `*.pem`
 * (EC P-256), by name; what it does wrong stands in the folder's file `mode`, read anew for each question.
 */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

type Question = { id: number; method: string; keyId: string; input: string }

const folder = process.argv[2]!
const write = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`)
const names = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.pem'))
    .sort()
const modeNow = (): string => readFileSync(join(folder, 'mode'), 'utf8').trim()
const keyOf = (name: string) => createPrivateKey(readFileSync(join(folder, name)))

function publicJwks(): object[] {
  return names().map((name) => ({
    ...createPublicKey(keyOf(name)).export({ format: 'jwk' }),
    kid: name.slice(0, -'.pem'.length),
    alg: 'ES256',
  }))
}

function signature({ keyId, input }: Question, mode: string): string {
  const other = names().find((name) => name !== `${keyId}.pem`)
  const key = keyOf(mode === 'other-key' ? other! : `${keyId}.pem`)
  const bytes = Buffer.from(input, 'base64url')
  const encoding = mode === 'der' ? 'der' : 'ieee-p1363'
  const signed = sign('sha256', bytes, { key, dsaEncoding: encoding })
  return (mode === 'short' ? signed.subarray(1) : signed).toString('base64url')
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const question = JSON.parse(line) as Question
  const { id, method } = question
  const mode = modeNow()
  if (mode === 'die') process.exit(3)
  if (mode === 'hang') return
  if (mode === 'garbage') return void process.stdout.write('Segmentation fault\n')
  if (mode === 'other-id') return write({ id: id + 1000, signature: 'AA' })
  if (mode === 'error') return write({ id, error: 'the key\nservice is throttling' })
  const answer = method === 'keys' ? { id, keys: publicJwks() } : { id, signature: signature(question, mode) }
  if (mode === 'odd-only' && id % 2 === 0) return void whenTurned(mode, () => write(answer))
  // The first of several may be answered last.
  setTimeout(() => write(answer), mode === 'odd-first' && id % 2 === 0 ? 60 : 0)
})

/** Waits until the file says something else. */
function whenTurned(mode: string, then: () => void): void {
  if (modeNow() !== mode) return then()
  setTimeout(() => whenTurned(mode, then), 5)
}
