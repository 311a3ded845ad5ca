import type { Secret } from '@countersign/sdk/core'
import type { ProofReplays } from '@countersign/sdk/jwt'
import type { CreateBuckets } from './decision/route-rules.ts'

/** What the processes of one gateway have in common, so that together they are no weaker than one. */
export type GatewayShared = {
  /** How many they are: each takes its share of what a target allows. */
  readonly processes: number
  /** What the gateway calls itself in Via headers: a loop through another process is one, too. */
  readonly viaName: string
  /** What nonces are made from when the trust file names no secret. */
  readonly nonceSecret: Secret
  /** How often to look at what our issuer has revoked; the feed's own pace unless given. */
  readonly revocationsEverySeconds?: number
  /** Which proofs were used. */
  readonly replays: ProofReplays
  /** How much of each limit is used. */
  readonly buckets: CreateBuckets
}
