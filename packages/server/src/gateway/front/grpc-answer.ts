import type { Answer } from './answer.ts'
import type { ClientReply, ClientRequest } from './client-connection.ts'

/**
 * A refusal as gRPC has it: status 200, and the status of the call in the head, which ends the stream ("trailers-only").
 * Everything else but calls of gRPC over HTTP/2 is left as it is.
 */
export function grpcAnswer(answer: Answer, request: ClientRequest, response: ClientReply): Answer {
  if (response.trailing === undefined || !isGrpcCall(request)) return answer
  response.trailing.ended = true
  const { 'Content-Type': _, ...headers } = answer.headers
  return {
    status: 200,
    headers: {
      ...headers,
      'content-type': 'application/grpc',
      'grpc-status': String(grpcStatus[answer.status] ?? UNKNOWN),
      'grpc-message': encodeMessage(messageOf(answer)),
    },
    body: '',
  }
}

export function isGrpcCall({ headers }: Pick<ClientRequest, 'headers'>): boolean {
  const type = headers['content-type']
  return type === 'application/grpc' || type?.startsWith('application/grpc+') === true
}

/** The one line that says why; of a problem document its title. */
function messageOf({ body, headers }: Answer): string {
  return headers['Content-Type']?.startsWith('text/') === true ? body : ''
}

/** Percent-encoding of all but printable ASCII, as gRPC over HTTP/2 asks for. */
function encodeMessage(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll('%20', ' ')
}

const UNKNOWN = 2
/** What gRPC's own libraries make of a status of HTTP, but for those of which we know more. */
const grpcStatus: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  413: 8,
  429: 8,
  431: 8,
  500: 13,
  501: 12,
  502: 14,
  503: 14,
  504: 4,
}
