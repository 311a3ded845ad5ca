import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'

export type ResourceMetadataOptions = {
  /** This service as callers and tokens name it: an https: URL without fragment (RFC 9728 §1.2). */
  readonly resource: string
  /** The issuers whose tokens it takes. */
  readonly issuers: readonly string[]
  /** The scopes that can be asked for. */
  readonly scopes?: readonly string[]
  /** For people. */
  readonly name?: string
  /** The URL of a page for developers. */
  readonly documentation?: string
}

/** What tells a client, which knows only a service's URL, where to get tokens for it. */
export type ResourceMetadata = {
  /** Where it is published, for the guard's option `resourceMetadata`. */
  readonly url: string
  /** The path of that URL. */
  readonly path: string
  readonly document: Readonly<Record<string, unknown>>
  /** Answers requests for it, as a listener of node:http, or as a handler of Express at {@link path}. */
  listener(request: IncomingMessage, response: ServerResponse): void
}

/**
 * The metadata of a protected resource (RFC 9728), as MCP clients look for it.
 *
 * @throws Problem `option-invalid`, `option-unknown`.
 * @example
 * const metadata = createResourceMetadata({ resource: 'https://mcp.acme.example/mcp', issuers: [issuer] })
 * const guard = createGuard({ issuer, audience: metadata.document.resource, resourceMetadata: metadata.url })
 * app.get(metadata.path, metadata.listener)
 */
export function createResourceMetadata(options: ResourceMetadataOptions): ResourceMetadata {
  refuseUnknownOptions('createResourceMetadata', options, names)
  const { resource, issuers, scopes, name, documentation } = options
  const target = URL.parse(resource)
  if (target === null || !['https:', 'http:'].includes(target.protocol) || resource.includes('#')) {
    throw invalid('resource must be a URL without fragment')
  }
  if (!Array.isArray(issuers) || issuers.length === 0) throw invalid('issuers must name at least one')
  // RFC 9728 §3.1: inserted between the host and the path; a slash that ends the path is dropped.
  const end = target.pathname.endsWith('/') ? -1 : undefined
  const path = `/.well-known/oauth-protected-resource${target.pathname.slice(0, end)}`
  const document = Object.freeze({
    resource,
    authorization_servers: [...issuers],
    bearer_methods_supported: ['header'],
    ...(scopes === undefined ? {} : { scopes_supported: [...scopes] }),
    ...(name === undefined ? {} : { resource_name: name }),
    ...(documentation === undefined ? {} : { resource_documentation: documentation }),
  })
  const body = JSON.stringify(document)
  return Object.freeze({
    url: `${target.origin}${path}${target.search}`,
    path,
    document,
    listener: (request: IncomingMessage, response: ServerResponse) => answer(request, response, body),
  })
}

function answer({ method }: IncomingMessage, response: ServerResponse, body: string): void {
  if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end()
    return
  }
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'public, max-age=3600',
    // Clients in a browser read it too, and there is no secret in it.
    'Access-Control-Allow-Origin': '*',
  })
  response.end(body)
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', `createResourceMetadata: ${message}`)
}

const names: readonly string[] = ['resource', 'issuers', 'scopes', 'name', 'documentation']
