/**
 * The status of gRPC, and of Connect, for a refusal's status in HTTP. A service that is not there and one that this
 * caller may not know of are both `UNIMPLEMENTED`, as for any path that gRPC does not know.
 *
 * @example
 * rpcStatus(401) // 16, UNAUTHENTICATED
 */
export function rpcStatus(httpStatus: number): number {
  return statuses[httpStatus] ?? INTERNAL
}

const INVALID_ARGUMENT = 3
const PERMISSION_DENIED = 7
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

const statuses: Readonly<Record<number, number>> = {
  400: INVALID_ARGUMENT,
  401: UNAUTHENTICATED,
  403: PERMISSION_DENIED,
  404: UNIMPLEMENTED,
  405: UNIMPLEMENTED,
  503: UNAVAILABLE,
}
