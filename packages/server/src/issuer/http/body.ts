import type { IncomingMessage } from 'node:http'

/**
 * Reads a request's body to its end, within a limit.
 *
 * @param limitBytes more than this and nothing is kept; `done` learns at once.
 * @param done is called at most once; never for a client that went away half-way.
 */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
  done: (body: Buffer | 'oversize') => void,
): void {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
    request.resume()
    done('oversize')
    return
  }
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    if (chunks === undefined) return
    bytes += chunk.length
    if (bytes <= limitBytes) {
      chunks.push(chunk)
      return
    }
    chunks = undefined
    done('oversize')
  })
  request.on('end', () => {
    // Nearly every token request arrives in one piece.
    if (chunks !== undefined) done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  })
  // Without a listener a broken connection would be an uncaught error.
  request.on('error', () => (chunks = undefined))
}
