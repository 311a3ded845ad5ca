import { deny } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import type { Original } from './authz-original.ts'
import type { Verdict } from './authz-verdict.ts'
import { readHost } from '../front/host.ts'
import { bytesField, fieldsOf, numberField } from './protobuf.ts'
import type { Field } from './protobuf.ts'

// The messages of envoy.service.auth.v3, by the numbers of their fields.

/**
 * Reads a CheckRequest.
 *
 * With `encode_raw_headers`, headers arrive as they were; without it, Envoy joins repeated ones by commas, so that two
 * tokens look like one that is malformed, and are refused all the same.
 *
 * @throws RangeError for bytes that are no message
 */
export function readCheckRequest(message: Buffer, peer: string): Original | Denial {
  const attributes = last(message, 1)
  const http = attributes && last(last(attributes, 4), 2)
  if (http === undefined) return deny('request-malformed', 'the inquiry holds no HTTP request')
  let method = ''
  let path = ''
  let hostText = ''
  const rawHeaders: string[] = []
  for (const field of fieldsOf(http)) {
    if (field.bytes === undefined) continue
    if (field.number === 2) method = field.bytes.toString('latin1')
    else if (field.number === 3) addHeader(rawHeaders, field.bytes, 2)
    // The target with its query; `query` and `fragment` are always empty.
    else if (field.number === 4) path = field.bytes.toString('latin1')
    else if (field.number === 5) hostText = field.bytes.toString('latin1')
    else if (field.number === 13) {
      for (const header of fieldsOf(field.bytes)) if (header.bytes) addHeader(rawHeaders, header.bytes, 3)
    }
  }
  const host = readHost(hostText)
  if (method === '' || host === undefined) return deny('request-malformed', 'no method or no host')
  return { method, target: path, host, rawHeaders, address: addressOf(last(attributes, 1)) ?? peer }
}

/** A CheckResponse: what to add and take away, or what to answer instead. */
export function checkResponse(verdict: Verdict): Buffer {
  if (verdict.kind === 'allow') {
    const headers = [...verdict.identity].map(([name, value]) => bytesField(2, headerOption(name, value)))
    const gone = verdict.absent.map((name) => bytesField(5, name))
    const { nextNonce } = verdict
    // For the client, not the service: response_headers_to_add.
    const told = nextNonce === undefined ? [] : [bytesField(6, headerOption('dpop-nonce', nextNonce))]
    return Buffer.concat([status(OK), bytesField(3, Buffer.concat([...headers, ...gone, ...told]))])
  }
  const { answer } = verdict
  const headers = Object.entries(answer.headers).map(([name, value]) =>
    bytesField(2, headerOption(name.toLowerCase(), value)),
  )
  const refusal = Buffer.concat([
    bytesField(1, numberField(1, answer.status)),
    ...headers,
    bytesField(3, answer.body),
  ])
  const code =
    answer.status === 401 ? UNAUTHENTICATED : answer.status >= 500 ? UNAVAILABLE : PERMISSION_DENIED
  return Buffer.concat([status(code), bytesField(2, refusal)])
}

/** Pseudo-headers stand among the others; what they say stands in fields of its own. */
function addHeader(rawHeaders: string[], header: Buffer, valueNumber: number): void {
  const name = last(header, 1)?.toString('latin1')
  if (name === undefined || name.startsWith(':')) return
  rawHeaders.push(name, last(header, valueNumber)?.toString('latin1') ?? '')
}

/** `source.address.socket_address.address` */
function addressOf(source: Buffer | undefined): string | undefined {
  return last(last(last(source, 1), 1), 2)?.toString('latin1')
}

/** A field that stands there once; of several the last one counts, as the format says. */
function last(message: Buffer | undefined, number: number): Buffer | undefined {
  if (message === undefined) return undefined
  let found: Field['bytes']
  for (const field of fieldsOf(message)) if (field.number === number) found = field.bytes
  return found
}

/** HeaderValueOption, in place of whatever the client sent under the name. */
function headerOption(name: string, value: string): Buffer {
  const header = Buffer.concat([bytesField(1, name), bytesField(2, value)])
  return Buffer.concat([bytesField(1, header), numberField(3, OVERWRITE_IF_EXISTS_OR_ADD)])
}

function status(code: number): Buffer {
  return bytesField(1, code === OK ? Buffer.alloc(0) : numberField(1, code))
}

const OVERWRITE_IF_EXISTS_OR_ADD = 2
/** Codes of google.rpc.Status. */
const OK = 0
const PERMISSION_DENIED = 7
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16
