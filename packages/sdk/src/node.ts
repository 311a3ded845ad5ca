export { guardNode } from './guard/node.ts'
export type { NodeListener } from './guard/node.ts'
