export { challenge, denialWire, prefersJson, problemResponse } from './policy/challenge.ts'
export type { Challenge, ChallengeOptions, DpopTerms, WireForm } from './policy/challenge.ts'
export { createCertificateReader } from './policy/client-certificate.ts'
export type {
  CertificateHeader,
  CertificateReader,
  RequestPeer,
  ShownCertificate,
} from './policy/client-certificate.ts'
export { compilePolicy, explainPolicy, requiredScopes } from './policy/compile.ts'
export type { Explanation } from './policy/compile.ts'
export type { Decision } from './policy/decide.ts'
export { lineageOf, mayAct, nestActors } from './policy/delegation.ts'
export type { ActorClaim, Ancestor } from './policy/delegation.ts'
export { canonicalPath } from './policy/path.ts'
export type { CanonicalPath } from './policy/path.ts'
export type { ClaimPredicate, ClaimValue, Policy, Requirement } from './policy/policy.ts'
export { lookUp, readPointer } from './policy/pointer.ts'
export { readPrincipal } from './policy/principal.ts'
export type { Actor, ClaimMapping, Principal, SignedClaims } from './policy/principal.ts'
export { createRouteTable } from './policy/route-table.ts'
export type { RouteMatch, RoutePattern, RouteTable } from './policy/route-table.ts'
export { createSenderConstraint } from './policy/sender-constraint.ts'
export type {
  ConstrainedRequest,
  ConstraintCheck,
  SenderConstraint,
  SenderConstraintOptions,
} from './policy/sender-constraint.ts'
export { readTemplate } from './policy/template.ts'
export type { Template, TemplateSegment } from './policy/template.ts'
export { dpopPlace, extractToken, readTokenPlaces } from './policy/token-places.ts'
export type { TokenPlace, TokenPlaceOption } from './policy/token-places.ts'
