import { claimName, claimValue, matchesOf } from './federated-section.ts'
import { mistake, shown, unknownName } from './reading.ts'
import type { Reading } from './reading.ts'
import { claimText } from './scalars.ts'
import { fields, located, named, oneOrMany, optional } from './shape.ts'
import type { KeyShape, Shape } from './shape.ts'
import type { AssertedSubjects } from './trust.ts'

/** Checked against the trusted issuers themselves, with the nearest one named. */
const trustedName: KeyShape = { what: 'trusted issuers', schema: {}, wrong: () => undefined }

/** `clients.NAME.mayAssert`: by whose word a client may act for whom (RFC 7523 §2.1). */
export const mayAssertSection = named(
  trustedName,
  fields({
    subject: optional(
      oneOrMany(located(claimText('a subject, exactly')), { what: 'subjects' }),
      'For whom: the sub claim, exactly; of several, any one.',
    ),
    match: optional(
      located(named(claimName, located(claimValue()))),
      'Claims that must have exactly these values, all of them; a name, or a JSON Pointer.',
    ),
  }),
)

type Draft = typeof mayAssertSection extends Shape<infer T> ? T : never

/** Whom the client may speak for, by trusted issuer; nobody unless it is said who. */
export function resolveMayAssert(
  draft: Draft | undefined,
  trusted: readonly string[],
  reading: Reading,
): { readonly mayAssert?: ReadonlyMap<string, AssertedSubjects> } {
  if (draft === undefined) return {}
  const mayAssert = new Map<string, AssertedSubjects>()
  for (const [name, item] of draft) {
    if (!trusted.includes(name)) {
      const spot = { ...item, tree: { ...item.tree, place: item.tree.keyPlace } }
      unknownName(reading, spot, 'trusted issuer', name, trusted)
      continue
    }
    const { subject = [], match } = item.value
    for (const one of subject) {
      if (one.value.includes('*')) {
        mistake(reading, one, `subjects are compared exactly, got ${shown(one.value)}`, 'write each of them')
      }
    }
    const matches = matchesOf(match?.value)
    if (subject.length === 0 && matches.length === 0) {
      mistake(reading, item, 'everybody of this issuer: say who is meant', 'write subject, or match')
    }
    mayAssert.set(name, { subjects: subject.map(({ value }) => value), match: matches })
  }
  return { mayAssert }
}
