import { STATUS_CODES } from '../../net/node-http.ts'
import { prefersJson } from '@countersign/sdk/policy'
import type { Challenge } from '@countersign/sdk/policy'
import { grpcAnswer } from './grpc-answer.ts'
import type { Client, ClientReply, ClientRequest } from './client-connection.ts'

/** A reply the gateway gives itself. */
export type Answer = Challenge

/**
 * Sends an answer in place of an upstream's reply.
 *
 * @param unread whether the request has a body that has not been read to its end
 * @param close whether the connection must not carry another request
 */
export function sendAnswer(
  answer: Answer,
  client: Client,
  request: ClientRequest,
  response: ClientReply,
  { unread, close }: { readonly unread: boolean; readonly close: boolean },
): void {
  if (response.trailing !== undefined) answer = grpcAnswer(answer, request, response)
  const headers = Object.entries(answer.headers).flat()
  headers.push('Content-Length', String(Buffer.byteLength(answer.body)))
  if (close || client.retired) {
    client.closing = true
    headers.push('Connection', 'close')
  }
  response.writeHead(answer.status, headers)
  if (!unread) {
    response.end(answer.body)
    if (!response.shouldKeepAlive) client.closing = true
    client.ended()
    return
  }
  response.write(answer.body)
  response.flushHeaders()
  client.endReply(request, response, true)
  client.ended()
}

/** The same as bytes for a connection where Node's parser has given up, so that there is no response to write to. */
export function answerText({ status, headers, body }: Answer): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
}

/** An answer that is about neither a token nor a policy. */
export function plainAnswer(
  status: OwnStatus,
  wantsJson = false,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const text = ownTexts[status]
  return {
    status,
    headers: {
      ...headers,
      'Content-Type': wantsJson ? 'application/problem+json' : 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store',
    },
    body: wantsJson
      ? JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail: text })
      : text,
  }
}

/** Whether the client would rather have a problem document than a line of text. */
export function wantsJson(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === 'accept') return prefersJson(rawHeaders[i + 1])
  }
  return false
}

export type OwnStatus = keyof typeof ownTexts

const ownTexts = {
  200: 'ok',
  204: '',
  400: 'Malformed Request',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Error',
  501: 'Not Implemented',
  502: 'Bad Gateway: the service gave no usable answer',
  503: 'Service Unavailable, please try again',
  504: 'Gateway Timeout: the service did not answer in time',
  508: 'Loop Detected',
} as const
