import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'

test('origins are exact, the rest has its defaults', () => {
  assert.deepEqual(corsOf('{ origins: https://app.acme.example }'), {
    origins: ['https://app.acme.example'],
    headers: ['authorization', 'content-type'],
    expose: [],
    credentials: false,
    maxAgeSeconds: 600,
  })
  assert.deepEqual(
    corsOf(
      '{ origins: [http://localhost:3000], headers: [X-Trace], expose: [ETag], credentials: true, maxAge: 1h }',
    ),
    {
      origins: ['http://localhost:3000'],
      headers: ['x-trace'],
      expose: ['ETag'],
      credentials: true,
      maxAgeSeconds: 3600,
    },
  )
  assert.deepEqual((corsOf('{ origins: "*" }') as { origins: unknown }).origins, '*')
})

for (const [text, message] of [
  ['{}', /missing/],
  ['{ origins: [] }', /at least 1/],
  ['{ origins: "*", credentials: true }', /any page could act/],
  ['{ origins: ["*", https://a.example] }', /others beside it/],
  ['{ origins: null }', /expected an origin/],
  ['{ origins: "null" }', /expected an origin/],
  ['{ origins: https://app.acme.example/ }', /expected an origin/],
  ['{ origins: https://App.acme.example }', /expected an origin/],
  ['{ origins: https://app.acme.example:443 }', /expected an origin/],
  ['{ origins: "https://*.acme.example" }', /expected an origin|characters/],
  ['{ origins: app.acme.example }', /expected an origin/],
  ['{ origins: https://a.example, headers: ["*"] }', /name of a header/],
  ['{ origins: https://a.example, credentials: false }', /expected true/],
  ['{ origins: https://a.example, maxAge: 2d }', /1s to 1d/],
] as const) {
  test(`refused: ${text}`, () => assert.match(String(corsOf(text)), message))
}

function corsOf(cors: string): unknown {
  const text = `services:\n  billing:\n    audience: b\n    cors: ${cors}\n    routes: { GET /health: open }\n`
  const reading = readTrust(text, { file: 'test.yaml', env: {}, readFile: () => '' })
  if (reading.kind === 'mistakes') return reading.mistakes.map(({ message }) => message).join('\n')
  return reading.trust.services.get('billing')!.cors
}
