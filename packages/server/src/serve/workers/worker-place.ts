import cluster from 'node:cluster'

/**
 * The number of this process among the gateway's, when the primary has started it as one of them; undefined for every
 * other process, also for one that somebody else runs in a cluster of his own.
 */
export function workerPlace(env: NodeJS.ProcessEnv): number | undefined {
  const place = env[workerVariable]
  return cluster.isWorker && place !== undefined ? Number(place) : undefined
}

/** No name of a setting, so that reading the trust file takes it for none. */
export const workerVariable = 'GATEWAY_WORKER'
