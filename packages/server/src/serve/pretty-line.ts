import { styleText } from 'node:util'
import { visible } from '../visible.ts'

/**
 * A JSON line of the log as a short line for people: `08:31:02 warn  keys not refreshed  issuer=https://…`. Line breaks and
 * other control characters inside values are escaped, so that nothing a caller sent can look like a line of ours or
 * steer the terminal.
 */
export function prettyLine(line: string, colour: boolean): string {
  const { time, level, event, stack, ...fields } = JSON.parse(line) as Record<string, unknown>
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(format, text, { validateStream: false }) : text
  const clock = typeof time === 'string' ? time.slice(11, 19) : ''
  const name = String(level)
  const words = [style('dim', clock), style(colours[name] ?? 'reset', name.padEnd(5)), visible(String(event))]
  for (const [key, value] of Object.entries(fields)) {
    words.push(`${style('dim', `${key}=`)}${shown(value)}`)
  }
  const trace = typeof stack === 'string' ? stack.split('\n').map((row) => `         ${visible(row)}\n`) : []
  return `${words.join(' ')}\n${trace.join('')}`
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return visible(JSON.stringify(value))
  return value === '' || value.includes(' ') || value.includes('"')
    ? visible(JSON.stringify(value))
    : visible(value)
}

const colours: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
}
