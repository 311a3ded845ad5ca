import { mistake } from './reading.ts'
import type { Located, Reading, Spot } from './reading.ts'
import { fields, located, oneOrMany, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import { duration, hostName, pathPrefix, wholeNumber, word } from './scalars.ts'
import { fileReference } from './file-reference.ts'
import { upstreamUrl } from './urls.ts'
import type { UpstreamSettings, UpstreamTlsSettings } from './trust.ts'

const moment = duration({ min: '1s', max: '1h' })

/** Where a service is and how it is reached: one URL, several, or a map with all there is to say. */
const details = fields({
  targets: required(oneOrMany(located(upstreamUrl()), { what: 'URLs' }), 'One URL or several.'),
  balance: optional(
    word(['least-pending', 'round-robin']),
    'Which of several is next: the one with the least to do (least-pending, unless said otherwise), or in turn.',
  ),
  protocol: optional(
    word(['http/1.1', 'h2']),
    'What the targets speak; http/1.1 unless said otherwise, h2 for gRPC.',
  ),
  timeouts: optional(
    fields({
      connect: optional(moment, 'For a connection to stand; 5s.'),
      reply: optional(moment, 'From the end of a request to the head of its reply; 60s.'),
      stall: optional(moment, 'Between two pieces of a reply; 60s.'),
      idle: optional(moment, 'How long an idle connection is kept; 4s.'),
    }),
    'How long to wait.',
  ),
  connections: optional(wholeNumber({ min: 1, max: 65_535 }), 'Connections to one target; 512.'),
  waiting: optional(
    wholeNumber({ min: 0, max: 65_535 }),
    'Requests waiting for one of them, above which the answer is 503; 4096.',
  ),
  eject: optional(
    fields({
      after: optional(wholeNumber({ min: 1, max: 1000 }), 'After so many failures in a row; 5.'),
      for: optional(duration({ min: '1s', max: '5m' }), 'The first time; 10s. Doubled each time, up to 5m.'),
    }),
    'When a target that fails is left alone, while there are others.',
  ),
  probe: optional(
    fields({
      path: required(pathPrefix(), 'What is asked for with GET; any 2xx is a good answer.'),
      every: optional(duration({ min: '1s', max: '1h' }), 'How often; 5s.'),
      timeout: optional(moment, 'How long to wait for the answer; 2s.'),
      wellAfter: optional(wholeNumber({ min: 1, max: 100 }), 'Good answers in a row that bring it back; 2.'),
      outAfter: optional(wholeNumber({ min: 1, max: 100 }), 'Bad ones in a row that put it out; 3.'),
    }),
    'Asks each target whether it is well.',
  ),
  retries: optional(
    fields({
      most: optional(wholeNumber({ min: 0, max: 10 }), 'For one request; 1.'),
      percent: optional(wholeNumber({ min: 0, max: 100 }), 'Of all requests; 20.'),
    }),
    'Sending a request without body that changes nothing to another target, when one has not begun to reply.',
  ),
  tls: optional(
    fields({
      ca: optional(fileReference(), 'Authorities to believe instead of the machine’s, as PEM.'),
      certificate: optional(
        located(fileReference()),
        'The gateway’s own certificate for these targets, as PEM.',
      ),
      key: optional(located(fileReference()), 'The key of that certificate.'),
      serverName: optional(hostName(), 'The name in the targets’ certificate, when it is not the URL’s.'),
    }),
    'For https targets.',
  ),
})

type Details = typeof details extends Shape<infer T> ? T : never

/** The `upstream` of a service. */
export function upstreamSection(): Shape<UpstreamDraft> {
  const urls = oneOrMany(located(upstreamUrl()), { what: 'URLs' })
  return {
    schema: { anyOf: [...(urls.schema['anyOf'] as []), details.schema] },
    overridable: true,
    read(spot, reading) {
      if (spot.tree.kind !== 'map') {
        const targets = urls.read(spot, reading)
        return targets && { targets, details: undefined, spot }
      }
      const read = details.read(spot, reading)
      return read?.targets && { targets: read.targets, details: read, spot }
    },
  }
}

export type UpstreamDraft = {
  readonly targets: readonly Located<string>[]
  readonly details: Details | undefined
  readonly spot: Spot
}

/** The way to a service with its defaults; undefined where one URL is all there is to say. */
export function resolveUpstream(
  { targets, details, spot }: UpstreamDraft,
  reading: Reading,
): UpstreamSettings | undefined {
  refuseRepeats(targets, reading)
  if (details?.protocol === 'h2' && details.probe !== undefined) {
    mistake(reading, { ...spot, path: [...spot.path, 'probe'] }, 'a probe asks by HTTP/1.1', 'take it out')
  }
  if (details === undefined && targets.length === 1) return undefined
  const { timeouts, eject, probe, retries } = details ?? {}
  return {
    targets: targets.map(({ value }) => value),
    balance: details?.balance ?? usualUpstream.balance,
    protocol: details?.protocol ?? usualUpstream.protocol,
    timeouts: {
      connectSeconds: timeouts?.connect,
      replySeconds: timeouts?.reply,
      stallSeconds: timeouts?.stall,
      idleSeconds: timeouts?.idle,
    },
    connections: details?.connections,
    waiting: details?.waiting,
    eject: {
      after: eject?.after ?? usualUpstream.eject.after,
      forSeconds: eject?.for ?? usualUpstream.eject.forSeconds,
    },
    probe: probe?.path === undefined ? undefined : resolveProbe({ ...probe, path: probe.path }),
    retries: {
      most: retries?.most ?? usualUpstream.retries.most,
      percent: retries?.percent ?? usualUpstream.retries.percent,
    },
    tls: resolveTls(details?.tls, targets, spot, reading),
  }
}

function resolveProbe(probe: NonNullable<Details['probe']> & { path: string }): UpstreamSettings['probe'] {
  return {
    path: probe.path,
    everySeconds: probe.every ?? 5,
    timeoutSeconds: probe.timeout ?? 2,
    wellAfter: probe.wellAfter ?? 2,
    outAfter: probe.outAfter ?? 3,
  }
}

function resolveTls(
  tls: Details['tls'],
  targets: readonly Located<string>[],
  spot: Spot,
  reading: Reading,
): UpstreamTlsSettings | undefined {
  if (tls === undefined) return undefined
  const plain = targets.find(({ value }) => !value.startsWith('https://'))
  if (plain !== undefined) {
    return mistake(reading, plain, 'tls is for https:// targets', 'write https://, or take tls out')
  }
  const { ca, certificate, key, serverName } = tls
  const lonely = certificate === undefined ? key : key === undefined ? certificate : undefined
  if (lonely !== undefined) {
    return mistake(reading, { ...lonely, path: [...spot.path, 'tls'] }, 'certificate and key need each other')
  }
  return { caFile: ca, certificateFile: certificate?.value, keyFile: key?.value, serverName }
}

function refuseRepeats(targets: readonly Located<string>[], reading: Reading): void {
  const seen = new Set<string>()
  for (const target of targets) {
    if (seen.has(target.value)) mistake(reading, target, 'the same target twice', 'keep one')
    seen.add(target.value)
  }
}

/** What a URL alone means, and what holds where nothing else is said. */
export const usualUpstream: Omit<UpstreamSettings, 'targets'> = Object.freeze({
  balance: 'least-pending',
  protocol: 'http/1.1',
  timeouts: {
    connectSeconds: undefined,
    replySeconds: undefined,
    stallSeconds: undefined,
    idleSeconds: undefined,
  },
  connections: undefined,
  waiting: undefined,
  eject: { after: 5, forSeconds: 10 },
  probe: undefined,
  retries: { most: 1, percent: 20 },
  tls: undefined,
})
