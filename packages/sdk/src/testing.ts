export type { Faults, IssuerRequests } from './testing/endpoints.ts'
export type { Fault } from './testing/fault.ts'
export { startTestIssuer } from './testing/loopback-issuer.ts'
export type {
  ClientCredentials,
  StartedTestIssuer,
  StartedTestIssuerOptions,
} from './testing/loopback-issuer.ts'
export { createTestIssuer } from './testing/memory-issuer.ts'
export type {
  RevokedInTest,
  TestGuardOptions,
  TestIssuer,
  TestIssuerOptions,
  TestVerifierOptions,
} from './testing/memory-issuer.ts'
export type { TestToken, TestTokenOf } from './testing/mint.ts'
export type { TestClient } from './testing/test-client.ts'
