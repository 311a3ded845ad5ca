/** What runs in the pod. The token's file is read for each request, since the kubelet replaces it. */
import { createTokenSource } from '@countersign/sdk/client'
import { inspectToken } from '@countersign/sdk/jwt'

const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8280',
  clientId: 'orders',
  assertionFile: process.env['TOKEN_FILE'] ?? '/var/run/secrets/countersign/token',
  audience: 'https://billing.acme.example',
})

try {
  const { secret } = await billing.token()
  const { aud, roles } = inspectToken(secret.revealText()).claims ?? {}
  console.log(`orders has a token for ${String(aud)} as ${String(roles)}`)
} catch (problem) {
  console.log(`orders has no token: ${(problem as { code: string }).code}`)
}
