/** Test support: a gateway before a server that speaks HTTP/2 without TLS. */
import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { openStand, poolOf } from './stand.ts'
import type { StandOptions } from './stand.ts'

export type Answer = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void

/** A server that speaks HTTP/2 without TLS. */
export async function openH2c(t: TestContext, answer: Answer) {
  const server: Http2Server = createServer()
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => sessions.push(session))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined)
    answer(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `http://${authority}`, authority, sessions }
}

/** A gateway without TLS before a server that speaks HTTP/2 without TLS. */
export async function openPlain(t: TestContext, answer: Answer, options: StandOptions = {}) {
  const { url, authority, sessions } = await openH2c(t, answer)
  const service = { ...options.service, ...poolOf([url], { protocol: 'h2' }) }
  const stand = await openStand(url, { ...options, service })
  t.after(() => stand.close())
  return { stand: { ...stand, authority }, sessions }
}
