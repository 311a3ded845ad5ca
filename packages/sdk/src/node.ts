export { guardNode } from './guard/node.ts'
