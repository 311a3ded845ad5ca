export type { Faults, IssuerRequests, TestClient } from './testing/endpoints.ts'
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
export type { TestToken } from './testing/mint.ts'
