import { styleText } from 'node:util'

/** Where a command reads and writes. Results go to `out`, talk to `err`, so that a pipe gets only what was asked for. */
export type Terminal = {
  /** Writes a result and a line break. */
  print(text: string): void
  /** Writes talk and a line break. */
  say(text: string): void
  /** Colours text for standard output, where it is a terminal that wants colour. */
  readonly paint: Paint
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean
  /** All of standard input as UTF-8 text; empty when it is closed. */
  readInput(): Promise<string>
  /** Whether a person sits at standard input, who would have to guess that something is awaited. */
  readonly inputIsTerminal: boolean
}

export type Paint = (style: 'good' | 'bad' | 'unsure' | 'faint' | 'strong', text: string) => string

/** The terminal of this process. */
export function processTerminal(): Terminal {
  // A reader that has seen enough (`| head -1`) is no failure of ours, unless the command has said that it would be.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw error
  })
  return {
    print: (text) => void process.stdout.write(`${text}\n`),
    say: (text) => void process.stderr.write(`${text}\n`),
    // styleText looks at NO_COLOR, FORCE_COLOR and whether the stream is a terminal.
    paint: (style, text) => styleText(styles[style], text, { stream: process.stdout }),
    isTerminal: process.stdout.isTTY === true,
    async readInput() {
      const pieces: Buffer[] = []
      for await (const piece of process.stdin) pieces.push(piece as Buffer)
      return Buffer.concat(pieces).toString('utf8')
    },
    inputIsTerminal: process.stdin.isTTY === true,
  }
}

const styles = { good: 'green', bad: 'red', unsure: 'yellow', faint: 'dim', strong: 'bold' } as const
