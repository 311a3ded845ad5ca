import { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestListener } from 'node:http'
import { Socket } from 'node:net'
import type { Contestant } from './measure.ts'

/**
 * A listener of node:http, driven without a connection: Node's own requests and responses, as its parser makes them, but
 * nothing is read from a socket or written to one. What is left is the framework and what stands before its route, so
 * microseconds can be told apart that drown in the cost of system calls.
 *
 * @param tokens shown in turn, one with each request.
 */
export function inProcess(name: string, listener: RequestListener, tokens: readonly string[]): Contestant {
  // Texts that nobody has seen before, as the parser's are: made from bytes for each request.
  const bytes = tokens.map((token) => Buffer.from(`Bearer ${token}`, 'latin1'))
  const socket = new Socket()
  let turn = 0
  return {
    name,
    run: async (times) => {
      for (let from = 0; from < times; from += together) {
        const answers: (number | Promise<number>)[] = []
        for (let index = from; index < Math.min(from + together, times); index++) {
          const authorization = bytes[turn++ % bytes.length]!.toString('latin1')
          answers.push(answer(listener, requestOf(socket, authorization)))
        }
        for (const status of answers) {
          const code = typeof status === 'number' ? status : await status
          if (code !== 200) throw new Error(`${name}: ${code}`)
        }
        // What waits for the next tick would keep all requests of a batch alive.
        await new Promise(setImmediate)
      }
    },
  }
}

/** So many requests come in one turn of the event loop, as from so many connections. */
const together = 16

/** The status of the answer: a promise for those who answer later. */
function answer(listener: RequestListener, request: IncomingMessage): number | Promise<number> {
  const response: Answer = new ServerResponse(request)
  // The object's own, since Express gives a response another prototype; and one function for all.
  response.end = endAndTell as never
  listener(request, response)
  if (response.writableEnded) return response.statusCode
  return new Promise((resolve) => (response.tell = resolve))
}

function endAndTell(this: Answer, ...all: unknown[]): Answer {
  ServerResponse.prototype.end.apply(this, all as never)
  this.tell?.(this.statusCode)
  return this
}

type Answer = ServerResponse & { tell?: (status: number) => void }

function requestOf(socket: Socket, authorization: string): IncomingMessage {
  const request = new IncomingMessage(socket) as ParsedRequest
  request.method = 'GET'
  request.url = '/'
  request.httpVersion = '1.1'
  request.httpVersionMajor = request.httpVersionMinor = 1
  // As the parser does it: names and values in turn, and the object of headers when somebody asks for it.
  request._addHeaderLines(['Host', '127.0.0.1:3000', 'Authorization', authorization], 4)
  request.push(null)
  return request
}

type ParsedRequest = IncomingMessage & { _addHeaderLines(lines: readonly string[], count: number): void }
