/** Milliseconds since the epoch. Read once per request at the edge and passed down as a number. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()
