import type { Attack } from './catalogue.ts'
export const ownCatalogue: readonly Attack[] = []
