/**
 * What the server uses of node:http, without importing it: an import reads every export of a built-in module, and one of
 * that one's loads all of fetch, which is a tenth of the time it takes to start.
 */
const http = process.getBuiltinModule('node:http')

export const { createServer, METHODS, STATUS_CODES, ServerResponse } = http
export type ServerResponse = InstanceType<typeof http.ServerResponse>
