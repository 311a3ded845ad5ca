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
  let body: Buffer | undefined
  let bytes = 0
  let over = false
  request.on('data', (chunk: Buffer) => {
    if (over) return
    const end = bytes + chunk.length
    if (end > limitBytes) {
      over = true
      body = undefined
      done('oversize')
      return
    }
    // Nearly every request arrives in one piece. Of many, none is kept: one byte each, they would cost some hundred times more.
    if (body === undefined) body = chunk
    else {
      if (end > body.length) body = grown(body, bytes, end, limitBytes)
      chunk.copy(body, bytes)
    }
    bytes = end
  })
  request.on('end', () => {
    if (!over) done(body === undefined || body.length === bytes ? (body ?? nothing) : body.subarray(0, bytes))
  })
  // Without a listener a broken connection would be an uncaught error.
  request.on('error', () => {
    over = true
    body = undefined
  })
}

/** Room for what comes next as well, so that it is seldom copied. */
function grown(body: Buffer, bytes: number, end: number, limitBytes: number): Buffer {
  const roomy = Buffer.allocUnsafeSlow(Math.min(limitBytes, Math.max(1024, 2 * end)))
  body.copy(roomy, 0, 0, bytes)
  return roomy
}

const nothing = Buffer.alloc(0)
