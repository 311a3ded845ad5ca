import { createRequire } from 'node:module'
import type * as Cel from '@marcbachmann/cel-js'
import type { ASTNode } from '@marcbachmann/cel-js'

/** A compiled `when`: a condition in CEL, for what a policy cannot say. */
export type Condition = {
  /** @throws when it cannot be answered, for example because a claim is not there: then the answer is no */
  holds(facts: ConditionFacts): boolean
}

/** All that a condition can see. */
export type ConditionFacts = {
  readonly request: { readonly method: string; readonly path: string; readonly host: string }
  /** The route's parameters. */
  readonly params: Readonly<Record<string, string>>
  readonly principal: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Compiles a condition. CEL always ends; how long it takes is bounded as well: few nodes, no regular expressions, and no
 * loop over a list within another one, since lists come out of tokens.
 *
 * @returns what is wrong with it and at which character, from 0
 * @example
 * const condition = compileCondition('params.id == claims.account')
 */
export function compileCondition(text: string): Condition | ConditionFault {
  let parsed
  try {
    parsed = environment().parse(text)
  } catch (error) {
    return faultOf(error)
  }
  const tooMuch = findTooMuch(parsed.ast, false)
  if (tooMuch !== undefined) return tooMuch
  const checked = parsed.check()
  if (!checked.valid) return faultOf(checked.error)
  if (checked.type !== 'bool') {
    return { message: `a condition is true or false, and this is of the type ${checked.type}`, at: 0 }
  }
  const evaluate = parsed
  return { holds: (facts) => evaluate(facts) === true }
}

export type ConditionFault = { readonly message: string; readonly at: number }

function faultOf(error: unknown): ConditionFault {
  if (!(error instanceof Error)) return { message: 'cannot be compiled', at: 0 }
  const { summary, range } = error as Error & { summary?: string; range?: { start: number } }
  return { message: summary ?? error.message.split('\n')[0] ?? '', at: range?.start ?? 0 }
}

function findTooMuch(node: ASTNode, inLoop: boolean): ConditionFault | undefined {
  const name = node.op === 'call' || node.op === 'rcall' ? node.args[0] : undefined
  if (name === 'matches') return { message: 'regular expressions are not taken', at: node.start }
  const isLoop = name !== undefined && loops.has(name)
  if (isLoop && inLoop) return { message: 'a loop within a loop is not taken', at: node.start }
  for (const inner of nodesIn(node.args)) {
    const found = findTooMuch(inner, inLoop || isLoop)
    if (found !== undefined) return found
  }
  return undefined
}

function nodesIn(value: unknown): ASTNode[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn)
  return typeof value === 'object' && value !== null && 'op' in value ? [value as ASTNode] : []
}

const loops: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map'])

/** Loaded by the first condition: most trust files have none. */
function environment(): Cel.Environment {
  if (made === undefined) {
    const { Environment } = createRequire(import.meta.url)('@marcbachmann/cel-js') as typeof Cel
    made = new Environment({
      unlistedVariablesAreDyn: false,
      limits: { maxAstNodes: 200, maxDepth: 24, maxListElements: 64, maxMapEntries: 64, maxCallArguments: 8 },
    })
      .registerVariable('request', 'map<string, string>')
      .registerVariable('params', 'map<string, string>')
      .registerVariable('principal', 'map<string, dyn>')
      .registerVariable('claims', 'map<string, dyn>')
  }
  return made
}

let made: Cel.Environment | undefined
