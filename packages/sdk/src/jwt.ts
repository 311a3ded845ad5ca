export { isAlgorithm, supportedAlgorithms } from './jwt/algorithms.ts'
export type { Algorithm } from './jwt/algorithms.ts'
export { maxTokenLength } from './jwt/compact.ts'
export { createDpopChecker } from './jwt/dpop-check.ts'
export type { DpopCheck, DpopChecker, DpopCheckerOptions, DpopRequest, ProvenKey } from './jwt/dpop-check.ts'
export { createDpopNonces } from './jwt/dpop-nonce.ts'
export type { DpopNonceOptions, DpopNonces } from './jwt/dpop-nonce.ts'
export { createDpopKey, createDpopProof } from './jwt/dpop-proof.ts'
export type { DpopKey, DpopProofOptions } from './jwt/dpop-proof.ts'
export { inspectToken } from './jwt/inspect.ts'
export type { Inspection } from './jwt/inspect.ts'
export { jwkThumbprint } from './jwt/jwk.ts'
export type { Jwk } from './jwt/jwk.ts'
export { signJws, verifyJws } from './jwt/jws.ts'
export type { JwsVerification, SignJwsOptions, VerifiedJws, VerifyJwsOptions } from './jwt/jws.ts'
export type { SigningKey, VerificationKey } from './jwt/key.ts'
export {
  generateSigningKey,
  privateJwk,
  publicJwk,
  readJwk,
  readPrivateJwk,
  readPrivatePem,
  readPublicPem,
  readSecretKey,
  readSecretSigningKey,
  verificationKey,
} from './jwt/key-readers.ts'
export type { KeyOptions, ReadJwkOptions, SecretKeyOptions } from './jwt/key-readers.ts'
export { readJwks } from './jwt/jwks.ts'
export type { ReadJwksOptions } from './jwt/jwks.ts'
export { createKeySet } from './jwt/key-set.ts'
export type { KeySet, MutableKeySet } from './jwt/key-set.ts'
export { createProofReplays } from './jwt/proof-replays.ts'
export type { ProofReplays } from './jwt/proof-replays.ts'
export { createRemoteKeySet } from './jwt/remote-key-set.ts'
export type { RemoteKeySet, RemoteKeySetEvent, RemoteKeySetOptions } from './jwt/remote-key-set.ts'
export { createRevocations } from './jwt/revocations.ts'
export { createRevocationFeed } from './jwt/revocation-feed.ts'
export type { RevocationFeedOptions } from './jwt/revocation-feed.ts'
export { revocationListInput, revocationListType, signRevocationList } from './jwt/revocation-list.ts'
export type { RevocationList } from './jwt/revocation-list.ts'
export type { Revocation, Revocations, RevocationsOptions } from './jwt/revocations.ts'
export type { RevocationEvent, RevocationHealth, RevocationSource } from './jwt/revocation-source.ts'
export { createExternalSigner, createSigner } from './jwt/signer.ts'
export type { ExternalSigner, Signer } from './jwt/signer.ts'
export type { Confirmation, VerifiedToken } from './jwt/verified-token.ts'
export { createVerifier } from './jwt/verifier.ts'
export type { Verification, Verifier } from './jwt/verifier.ts'
export { dangerouslyAnyAudience, dangerouslyAnyType } from './jwt/verifier-options.ts'
export type {
  ConfirmationRule,
  SharedVerifierOptions,
  TrustedIssuerOptions,
  VerifierOptions,
} from './jwt/verifier-options.ts'
