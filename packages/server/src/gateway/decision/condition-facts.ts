import type { Principal } from '@countersign/sdk/policy'
import type { ConditionFacts } from '../../trust/condition.ts'
import type { Asked } from './decide.ts'

/** What a route's condition can see of a request. On an open route there is no principal and there are no claims. */
export function conditionFacts(
  { path, params }: Pick<Asked, 'path' | 'params'>,
  method: string,
  hostName: string | undefined,
  principal: Principal | undefined,
): ConditionFacts {
  return {
    request: { method, path: path!.path, host: hostName ?? '' },
    params: params ?? {},
    principal: principal === undefined ? {} : described(principal),
    claims: principal?.claims ?? {},
  }
}

/** What is not known is not there, so that a condition about it has no answer. */
function described(principal: Principal): Record<string, unknown> {
  const { kind, issuer, subject, clientId, actor, roles, scopes } = principal
  const facts = {
    kind,
    issuer,
    subject,
    clientId,
    actor: actor?.subject,
    roles: [...roles],
    scopes: [...scopes],
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}
