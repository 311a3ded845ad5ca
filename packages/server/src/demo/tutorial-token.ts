import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Secret } from '@countersign/sdk/core'
import { createSigner, readSecretSigningKey } from '@countersign/sdk/jwt'

/**
 * The tutorial's token endpoint: `GET /` answers anybody with a token, the text alone. It exists in the demo only,
 * where the issuer listens on loopback; it signs for the tutorial's own issuer with the tutorial's own key, which
 * nothing but the tutorial's service accepts.
 *
 * Returns true when it has answered; false leaves the request to the issuer.
 *
 * @param key the secret shared with the service, at least one byte
 * @param clock milliseconds since the epoch
 *
 * @example
 * const answer = createTutorialEndpoint({ key: Secret.fromText('unicorns'), clock: Date.now })
 * createServer((req, res) => answer(req, res) || issuer.listener(req, res))
 */
export function createTutorialEndpoint({
  key,
  clock,
}: {
  key: Secret
  clock: Clock
}): (req: IncomingMessage, res: ServerResponse) => boolean {
  const signer = createSigner({
    key: readSecretSigningKey(key, { algorithm: 'HS256', dangerouslyAllowShortSecret: true }),
    type: 'JWT',
  })

  return (req, res) => {
    if (req.url !== '/' || (req.method !== 'GET' && req.method !== 'HEAD')) return false
    if (!isLoopbackHost(req.headers.host)) {
      answer(res, 403, 'This endpoint answers on localhost only: ask for it by that name.\n')
      return true
    }
    answer(res, 200, signer.sign(tutorialClaims(Math.floor(clock() / 1000))))
    return true
  }
}

/** The tutorial's claims: exactly these, good for one minute. */
function tutorialClaims(nowSeconds: number): Record<string, unknown> {
  return {
    authorized: true,
    client: 'Krissanawat',
    aud: tutorialAudience,
    iss: tutorialIssuer,
    exp: nowSeconds + 60,
  }
}

/**
 * Whether a Host header names this machine by a name that no DNS server can give away. A page of another site that
 * has its own name point to 127.0.0.1 (DNS rebinding) still sends that name, so it gets no token to read.
 */
function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false
  const port = /:[0-9]{1,5}$/.exec(host)?.[0] ?? ''
  return loopbackNames.has(host.slice(0, host.length - port.length).toLowerCase())
}

function answer(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  res.end(text)
}

export const tutorialIssuer = 'jwtgo.io'
export const tutorialAudience = 'billing.jwtgo.io'

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])
