import type { RequestListener } from 'node:http'
import type { Clock, Secret } from '@countersign/sdk/core'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { createKeySet, createVerifier, readSecretKey } from '@countersign/sdk/jwt'
import { guardNode } from '@countersign/sdk/node'
import { tutorialAudience, tutorialIssuer } from './tutorial-token.ts'

/**
 * The tutorial's service: tells its secret to whoever has a token of the tutorial's issuer. It stands behind the gateway
 * and checks for itself all the same, as every service should.
 *
 * @param key the secret shared with the tutorial's token endpoint
 * @param clock milliseconds since the epoch
 */
export function createSecretService({ key, clock }: { key: Secret; clock: Clock }): RequestListener {
  const guard = createGuard({
    verifier: createVerifier({
      issuer: tutorialIssuer,
      audience: tutorialAudience,
      keySet: createKeySet([readSecretKey(key, { algorithm: 'HS256', dangerouslyAllowShortSecret: true })]),
      algorithms: ['HS256'],
      types: ['JWT'],
      clock,
    }),
    tokenFrom: ['bearer', { header: 'Token' }],
    clock,
  })
  return guardNode(guard, readRoutes({ 'GET /': 'authenticated' }), (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
    res.end('Super Secret Information')
  })
}
