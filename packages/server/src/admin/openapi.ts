import type { JsonSchema } from '../trust/shape.ts'
import { adminOperations } from './operations.ts'
import type { AdminOperation } from './operation.ts'

/**
 * The admin API as an OpenAPI 3.1 document, made from the very operations that answer.
 *
 * @param issuer the issuer's URL: where tokens for it come from.
 * @example
 * openApi('https://issuer.acme.example').paths['/admin/clients']
 */
export function openApi(issuer: string): OpenApiDocument {
  const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of adminOperations) {
    const path = (paths[`/admin${operation.path}`] ??= {})
    path[operation.method.toLowerCase()] = describe(operation)
  }
  const scopes = adminOperations.flatMap(({ scope }) => (scope === 'open' || scope === 'code' ? [] : [scope]))
  return {
    openapi: '3.1.0',
    info: {
      title: 'Countersign admin API',
      version: '1',
      description: `Tokens for it are issued at ${base}/token to clients whose \`may\` names \`countersign\`.`,
    },
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: {
        token: {
          type: 'oauth2',
          flows: {
            clientCredentials: {
              tokenUrl: `${base}/token`,
              scopes: Object.fromEntries([...new Set(scopes)].sort().map((scope) => [scope, ''])),
            },
          },
        },
      },
    },
  }
}

export type OpenApiDocument = {
  readonly openapi: '3.1.0'
  readonly info: JsonSchema
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components: JsonSchema
}

function describe(operation: AdminOperation): object {
  const { name, about, scope, body, answers, edits, repeatable, query = {}, path } = operation
  const parameters = [
    ...[...path.matchAll(/\{([a-z]+)\}/g)].map(([, parameter]) => ({
      name: parameter,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(query).map(([parameter, { about: description, schema }]) => ({
      name: parameter,
      in: 'query',
      description,
      schema,
    })),
    ...(edits ? [header('If-Match', 'The ETag of what is to be changed, or *.', true)] : []),
    ...(repeatable ? [header('Idempotency-Key', 'The same for a request that is sent again.', false)] : []),
  ]
  const content = (schema: JsonSchema): object => ({ content: { 'application/json': { schema } } })
  return {
    operationId: name,
    description: about,
    security: scope === 'open' || scope === 'code' ? [] : [{ token: [scope] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, ...content(body) } }),
    responses: {
      [answers.status]: {
        description: 'It worked.',
        ...(answers.schema === undefined ? {} : content(answers.schema)),
      },
      default: {
        description: 'It did not. 503: nothing was decided, try again.',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function header(name: string, description: string, required: boolean): object {
  return { name, in: 'header', required, description, schema: { type: 'string' } }
}

const problemSchema: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { description: 'What is wrong, for programs.', type: 'string' },
    detail: { description: 'What is wrong, for people.', type: 'string' },
    mistakes: {
      description: 'Every mistake in a body.',
      type: 'array',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: { path: { type: 'string' }, message: { type: 'string' }, next: { type: 'string' } },
      },
    },
  },
}
