import { nearest, Problem } from '@countersign/sdk/core'
import type { Service, Trust } from '../trust/trust.ts'

/** The service of that name. @throws Problem `usage`, naming the nearest one */
export function serviceNamed(trust: Trust, name: string, file: string): Service {
  const found = trust.services.get(name)
  if (found !== undefined) return found
  const names = [...trust.services.keys()]
  const near = nearest(name, names)
  throw new Problem('usage', `${file} has no service ${JSON.stringify(name)}`, {
    next: near === undefined ? `known: ${names.join(', ') || 'none'}` : `did you mean ${near}?`,
  })
}

/** The trust file's only service. @throws Problem `usage` when there are several, or none */
export function onlyService(trust: Trust, file: string): Service {
  const [only, another] = trust.services.values()
  if (only !== undefined && another === undefined) return only
  const names = [...trust.services.keys()]
  throw new Problem('usage', `${file} has ${only === undefined ? 'no services' : 'several services'}`, {
    next: only === undefined ? 'say --issuer and --audience' : `say --service ${names.join(' | ')}`,
  })
}
