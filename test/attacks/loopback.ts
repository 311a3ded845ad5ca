import { createServer } from 'node:http'
import type { RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** A server on this machine that counts who comes, for attacks that are about fetching. */
export type Listener = {
  readonly origin: string
  /** `GET /path` of each request, in order. */
  readonly requests: readonly string[]
  readonly connections: number
  /** From now on it answers like this. */
  answer: RequestListener
}

/** Listens on 127.0.0.1 until the test ends. */
export async function listen(t: TestContext, answer: RequestListener): Promise<Listener> {
  const requests: string[] = []
  let connections = 0
  const listener = { origin: '', requests, answer, connections: 0 }
  Object.defineProperty(listener, 'connections', { get: () => connections })
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    listener.answer(request, response)
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  listener.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return listener
}

/** Answers every request with what `document` gives at that moment. */
export function serveJson(
  document: () => unknown,
  headers: Readonly<Record<string, string>> = {},
): RequestListener {
  return (_, response) => replyJson(response, document(), headers)
}

export function replyJson(
  response: ServerResponse,
  document: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(document))
}

export function replyStatus(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain' })
  response.end('no')
}
