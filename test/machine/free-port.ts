/** Test support: ports for those that must know theirs before they listen. */
import { createServer } from 'node:net'
import type { Server } from 'node:net'

/**
 * A port that is free and stays so for a while. It is none of those that the system hands out by itself: a port of these
 * that has just been closed may go to whoever asks next, and tests run side by side. Each process has a row of its own.
 */
export async function freePort(): Promise<number> {
  const first = await (own ??= ownRow())
  for (;;) {
    const port = first + 1 + (taken++ % (row - 1))
    const server = await listenAt(port)
    if (server === undefined) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Whoever listens at the first port of a row, as long as its process lives, has the rest of it. */
async function ownRow(): Promise<number> {
  for (let tried = 0; tried < rows; tried++) {
    const first = lowest + ((process.pid + tried) % rows) * row
    const holder = await listenAt(first)
    if (holder === undefined) continue
    holder.unref()
    return first
  }
  throw new Error('every row of ports is taken')
}

/** On every address, since `localhost` may be any. */
function listenAt(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined)).listen(port, () => resolve(server))
  })
}

// Linux hands out 32768 to 60999, other systems ports above. None begins with the 3000 that tests replace in pages.
const lowest = 12_000
const rows = 180
const row = 100
let own: Promise<number> | undefined
let taken = 0
