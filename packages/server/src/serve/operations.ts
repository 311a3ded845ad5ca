import { createServer } from '../net/node-http.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { metricsContentType } from '../metrics/registry.ts'

/**
 * The listener for those who run it: `/metrics`, `/livez` and `/readyz`. It stands alone, so that no
 * caller learns from it who is refused and when keys turn, and no flood of callers hides what is going on.
 *
 * @param ready whether every part is ready to be sent requests
 */
export function createOperationsServer(metrics: Numbers, ready: () => boolean | Promise<boolean>): Server {
  const server = createServer(
    {
      maxHeaderSize: 8 * 1024,
      headersTimeout: 5_000,
      requestTimeout: 5_000,
      connectionsCheckingInterval: 2_500,
    },
    (request, response) => void answer(request, response, metrics, ready),
  )
  server.maxConnections = 64
  return server
}

/** Those of this process, or of several. */
type Numbers = { text(): string | Promise<string> }

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  metrics: Numbers,
  ready: () => boolean | Promise<boolean>,
): Promise<void> {
  const { method, url } = request
  request.resume()
  if (url !== '/metrics' && url !== '/livez' && url !== '/readyz') return send(response, 404, 'not found\n')
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    return send(response, 405, 'method not allowed\n')
  }
  if (url === '/metrics') return send(response, 200, await metrics.text(), metricsContentType)
  if (url === '/livez' || (await ready())) return send(response, 200, 'ok\n')
  response.setHeader('Retry-After', '5')
  send(response, 503, 'not ready\n')
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(body),
  })
  // To a request for the head, Node sends no body.
  response.end(body)
}
