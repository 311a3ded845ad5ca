import type { Denial } from '@countersign/sdk/core'
import { challenge } from '@countersign/sdk/policy'
import { wantsJson } from '../front/answer.ts'
import type { Answer } from '../front/answer.ts'
import type { Outcome } from './check.ts'
import type { Asked } from './decide.ts'

/**
 * How a denial looks at the gateway and at its decision endpoints: the same words, whoever asks.
 *
 * @param realm where no service is known
 * @param rawHeaders of the request, names and values in turns
 * @param reply headers the answer needs beside its own
 */
export function refusalAnswer(
  denial: Denial,
  { service, route, allow }: Asked,
  realm: string,
  rawHeaders: readonly string[],
  nowMs: number,
  reply: Outcome['reply'],
): Answer {
  const answer = challenge(denial, {
    realm: service?.realm ?? realm,
    wantsJson: wantsJson(rawHeaders),
    ...(route === undefined ? {} : { scopes: route.scopes }),
    ...(allow === undefined ? {} : { allow }),
    ...(service?.metadata === undefined ? {} : { resourceMetadata: service.metadata.url }),
    ...(service?.senderCheck === undefined ? {} : { dpop: service.senderCheck.terms(nowMs) }),
  })
  return reply === undefined ? answer : { ...answer, headers: { ...answer.headers, ...reply } }
}
