// Long for its tables: the odd values that mutations are made of.
import type { Random } from './random.ts'

/** One to three small changes to a text. It may come out as it went in. */
export function mutateText(random: Random, text: string, others: readonly string[]): string {
  let changed = text
  for (let left = 1 + random.below(3); left > 0; left--)
    changed = random.pick(changes)(random, changed, others)
  return changed
}

/** Like {@link mutateText}, for JSON: it also knows members, values and escapes. */
export function mutateJson(random: Random, text: string, others: readonly string[]): string {
  let changed = text
  for (let left = 1 + random.below(3); left > 0; left--) {
    const change = random.once(4) ? random.pick(changes) : random.pick(jsonChanges)
    changed = change(random, changed, others)
  }
  return changed
}

/** The bytes of a text, now and then with some that are not UTF-8. */
export function toBytes(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text)
  if (!random.once(8)) return bytes
  const at = random.below(bytes.length + 1)
  const added = Buffer.from(random.pick(oddBytes))
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + random.below(2))])
}

/** A JSON value with members set, taken away or replaced, at the top or one below it. */
export function mutateValue(random: Random, value: unknown, names: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return random.pick(values)()
  if (Array.isArray(value)) {
    const list: unknown[] = [...value]
    const at = random.below(list.length + 1)
    if (random.once(4)) list.splice(at, 1)
    else if (random.once(3)) list.splice(at, 0, list[0])
    else if (random.once(3)) list.splice(at, 0, random.pick(values)())
    else list[at] = mutateValue(random, list[at], names)
    return list
  }
  const object = { ...(value as Record<string, unknown>) }
  const known = Object.keys(object)
  for (let left = 1 + random.below(2); left > 0; left--) {
    const name = random.once(3) || known.length === 0 ? random.pick(names) : random.pick(known)
    const old = object[name]
    if (random.once(4)) delete object[name]
    else if (typeof old === 'string' && random.once(2)) object[name] = mutateText(random, old, known)
    else if (typeof old === 'object' && random.once(2)) object[name] = mutateValue(random, old, names)
    else if (random.once(3)) object[name] = object[random.pick(known)]
    else object[name] = random.pick(values)()
  }
  return object
}

type Change = (random: Random, text: string, others: readonly string[]) => string

function splice(text: string, at: number, drop: number, added: string): string {
  return text.slice(0, at) + added + text.slice(at + drop)
}

const changes: readonly Change[] = [
  // One character becomes another one
  (random, text) => splice(text, random.below(text.length), 1, random.pick(alphabet)),
  (random, text) => splice(text, random.below(text.length), 1, random.pick(odd)),
  // The same low byte under another high one
  (random, text) => {
    const at = random.below(text.length)
    return splice(
      text,
      at,
      1,
      String.fromCharCode((text.charCodeAt(at) & 0xff) + 256 * (1 + random.below(255))),
    )
  },
  // One bit
  (random, text) => {
    const at = random.below(text.length)
    return splice(text, at, 1, String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << random.below(8))))
  },
  // Added, taken away, repeated, moved
  (random, text) => splice(text, random.below(text.length + 1), 0, random.pick(odd)),
  (random, text) => splice(text, random.below(text.length + 1), 0, random.pick(alphabet)),
  (random, text) => splice(text, random.below(text.length), 1 + random.below(1 << random.below(8)), ''),
  (random, text) => {
    const at = random.below(text.length)
    const part = text.slice(at, at + 1 + random.below(64))
    return splice(text, random.below(text.length + 1), 0, part.repeat(1 + random.below(3)))
  },
  (random, text) => text.slice(0, random.below(text.length + 1)),
  (random, text) => text.slice(random.below(text.length + 1)),
  (random, text) => {
    const at = random.below(text.length)
    const from = random.below(text.length)
    return splice(text, at, 1, text[from] ?? '')
  },
  // Half of one and half of another
  (random, text, others) => {
    const other = random.pick(others) ?? ''
    return text.slice(0, random.below(text.length + 1)) + other.slice(random.below(other.length + 1))
  },
  // Segments: changed places, changed for another's, more or fewer of them
  (random, text, others) => {
    const segments = text.split('.')
    const other = (random.pick(others) ?? '').split('.')
    segments[random.below(segments.length)] = random.pick(other)
    return segments.join('.')
  },
  (random, text) => {
    const segments = text.split('.')
    segments.splice(random.below(segments.length + 1), random.below(2), random.pick(segments))
    return segments.join('.')
  },
  // Its end: unused bits, padding
  (random, text) => text.slice(0, -1) + random.pick(alphabet),
  (random, text) => text + random.pick(['=', '==', 'A', '.', '\n', ' ', '\0']),
  (random, text) => {
    const segments = text.split('.')
    const at = random.below(segments.length)
    segments[at] = segments[at]!.slice(0, -1) + random.pick(alphabet)
    return segments.join('.')
  },
]

const jsonChanges: readonly Change[] = [
  // Another value
  (random, text) => {
    const colons = [...text.matchAll(/:\s*("(?:[^"\\]|\\.)*"|[^,{}[\]"]+)/g)]
    const found = random.pick(colons)
    if (found === undefined) return text
    return splice(text, found.index + 1, found[0].length - 1, random.pick(jsonValues))
  },
  // One member more, somewhere
  (random, text) => {
    const braces = [...text.matchAll(/\{/g)]
    const found = random.pick(braces)
    if (found === undefined) return text
    const empty = text
      .slice(found.index + 1)
      .trimStart()
      .startsWith('}')
    return splice(text, found.index + 1, 0, `${memberOf(random)}${empty ? '' : ','}`)
  },
  (random, text) => {
    const end = text.lastIndexOf('}')
    return end < 0 ? text : splice(text, end, 0, `,${memberOf(random)}`)
  },
  // A member twice, or taken away
  (random, text) => {
    const found = random.pick([...text.matchAll(/"[^"\\]*":("[^"\\]*"|[\w.+-]+)/g)])
    if (found === undefined) return text
    return random.once(3)
      ? splice(text, found.index, found[0].length + 1, '')
      : splice(text, found.index, 0, `${found[0]},`)
  },
  // Another spelling of the same: white space, escapes
  (random, text) => {
    const found = random.pick([...text.matchAll(/[{}[\]:,]/g)])
    return found === undefined
      ? text
      : splice(text, found.index + random.below(2), 0, random.pick([' ', '\n', '\t', '\r']))
  },
  (random, text) => {
    const found = random.pick([...text.matchAll(/[a-z]/g)])
    if (found === undefined) return text
    return splice(text, found.index, 1, `\\u00${found[0].charCodeAt(0).toString(16)}`)
  },
  // Another name
  (random, text) => {
    const found = random.pick([...text.matchAll(/"[^"\\]*":/g)])
    return found === undefined
      ? text
      : splice(text, found.index, found[0].length, `${random.pick(jsonNames)}:`)
  },
  // Wrapped
  (random, text) => {
    const depth = 1 + random.below(40)
    return random.once(2)
      ? `${'{"a":'.repeat(depth)}${text}${'}'.repeat(depth)}`
      : text.replace(
          /:("[^"]*"|\d+)/,
          (_, value: string) => `:${'['.repeat(depth)}${value}${']'.repeat(depth)}`,
        )
  },
]

function memberOf(random: Random): string {
  return `${random.pick(jsonNames)}:${random.pick(jsonValues)}`
}

const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']

const odd = [
  ...'.=+/ \n\r\t\0"\\{}[]:,%~!*\'',
  '\u007f',
  '\u0080',
  '\u00a0',
  '\u00ff',
  '\u0141',
  '\u017f',
  '\u0430',
  '\u200b',
  '\u2028',
  '\ufeff',
  '\uff0d',
  '\uff3f',
  '\ud800',
  '\udc00',
  '\u{1d11e}',
  'eyJ',
  '..',
]

const oddBytes = [
  [0xff],
  [0x80],
  [0xc3],
  [0xc0, 0x80],
  [0xc0, 0xa2],
  [0xe0, 0x80, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xef, 0xbb, 0xbf],
  [0xf0, 0x80, 0x80, 0xa2],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xe2, 0x82, 0xac],
  [0xc3, 0xa9],
  [0xf0, 0x9d, 0x84, 0x9e],
  [0x00],
  [0x22],
  [0x5c],
  [0x0a],
]

const jsonNames = [
  ...[
    'alg',
    'kid',
    'typ',
    'crit',
    'b64',
    'enc',
    'zip',
    'jwk',
    'jku',
    'x5c',
    'cty',
    'iss',
    'sub',
    'aud',
    'exp',
  ],
  ...[
    'nbf',
    'iat',
    'jti',
    'scope',
    'scp',
    'client_id',
    'azp',
    'cnf',
    'act',
    'roles',
    '__proto__',
    'constructor',
  ],
  ...['ISS', 'Sub', 'i\u017fs', 'tenant', 'Tenant', 'toString', '', '0', '1', 'a:b', 'a"b', '\\'],
].map((name) => JSON.stringify(name))
jsonNames.push(
  '"\\u0061lg"',
  '"su\\u0062"',
  '"\\u005f_proto__"',
  '"\\ud800"',
  '"\\u0000"',
  '"a\\tb"',
  '"\\/"',
  'alg',
  "'alg'",
)

const numbers = [
  ...[
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '1e3',
    '1E+3',
    '1e-3',
    '1e999',
    '-1e999',
    '1e308',
    '1.8e308',
    '5e-324',
    '1e-999',
  ],
  ...[
    '253402300799',
    '253402300800',
    '1800000000',
    '1800000005',
    '1799999995',
    '1800000004.999',
    '1800000000000',
  ],
  ...[
    '9007199254740993',
    '18446744073709551616',
    '01',
    '.5',
    '5.',
    '+1',
    '0x1',
    '1_0',
    'NaN',
    'Infinity',
    '1e',
    '--1',
  ],
]

const jsonValues = [
  ...numbers,
  ...[
    'null',
    'true',
    'false',
    'tru',
    '""',
    '"x"',
    '"none"',
    '"HS256"',
    '"ES256"',
    '"RS256"',
    '"at+jwt"',
    '"JWT"',
  ],
  ...[
    '"AT+JWT"',
    '"application/at+jwt"',
    '"https://issuer.example"',
    '"https://billing.example"',
    '"a"',
    '"b"',
    '"1"',
  ],
  ...[
    '[]',
    '{}',
    '[[]]',
    '[{}]',
    '["a","b"]',
    '["https://billing.example"]',
    '["https://billing.example",1]',
    '[1]',
  ],
  ...[
    '["b64"]',
    '["exp"]',
    '[""]',
    '{"jkt":"x"}',
    '{"a":1,"a":2}',
    '{"a":{"b":{"c":1}}}',
    '{"__proto__":1}',
    '[,]',
  ],
  ...[
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud834\\udd1e"',
    '"\\u0000"',
    '"\\u00e9"',
    '"\u00e9"',
    '"\ufeff"',
    '"\\x41"',
  ],
  ...[
    '"\\/"',
    '"\\\\"',
    '"\\""',
    '"a:b"',
    '"{\\"a\\":1}"',
    '"\t"',
    '"\u007f"',
    '"\u2028"',
    '"unfinished',
    '[1,2',
    '{"a"}',
  ],
  `"${'x'.repeat(300)}"`,
]

const values: readonly (() => unknown)[] = [
  ...[
    undefined,
    null,
    true,
    false,
    0,
    1,
    -1,
    0.5,
    65537,
    '',
    'AQ',
    'AQAB',
    'AAAA',
    'sig',
    'enc',
    'verify',
    'sign',
  ].map((value) => () => value),
  ...[
    'RSA',
    'EC',
    'OKP',
    'oct',
    'AKP',
    'P-256',
    'P-384',
    'P-521',
    'secp256k1',
    'Ed25519',
    'Ed448',
    'X25519',
  ].map((value) => () => value),
  ...['RS256', 'PS256', 'ES256', 'ES384', 'HS256', 'HS512', 'EdDSA', 'none', 'ML-DSA-44', 'constructor'].map(
    (value) => () => value,
  ),
  () => [],
  () => ({}),
  () => [''],
  () => ['verify'],
  () => ['sign', 'verify'],
  () => ['verify', 'verify'],
  () => [['verify']],
  () => ({ toString: 1, valueOf: 1 }),
  () => ({ length: 1, 0: 'a' }),
  () => Object.create(null) as unknown,
  () => 'A'.repeat(43),
  () => 'A'.repeat(300),
  () => `${'_'.repeat(342)}w`,
  () => Number.NaN,
  () => '-----BEGIN PUBLIC KEY-----',
]
