/** A command of the README with what it says the command prints; `output` is undefined when it says nothing. */
export type ShellBlock = {
  readonly line: number
  readonly command: string
  readonly output: string | undefined
}

/**
 * Every ```sh block of a Markdown text, each with the ```text block that follows it with nothing but prose of less
 * than a paragraph between: the two are read as "run this" and "this is printed".
 */
export function readShellBlocks(markdown: string): ShellBlock[] {
  const fences = [...markdown.matchAll(/^```([a-z]*)[^\n]*\n([\s\S]*?)^```$/gm)]
  const blocks: ShellBlock[] = []
  for (const [index, fence] of fences.entries()) {
    if (fence[1] !== 'sh') continue
    const next = fences[index + 1]
    const between = next === undefined ? '' : markdown.slice(fence.index + fence[0].length, next.index)
    const answered = next?.[1] === 'text' && !/\n#/.test(between)
    blocks.push({
      line: markdown.slice(0, fence.index).split('\n').length,
      command: fence[2]!.trimEnd(),
      output: answered ? next[2]!.trimEnd() : undefined,
    })
  }
  return blocks
}

/**
 * A token or a part of one: how each of ours begins, or base64url of `{"` beside a dot. Alone, `eyJ` may be in a random
 * identifier.
 */
export const tokenText = /eyJ(?:hbG|0eX|raW|pc3|hdW|zdW)|eyJ[\w-]*\.|\.eyJ/

/** Whether `actual` is what the README says, where `…` stands for anything that differs from run to run. */
export function matchesOutput(actual: string, expected: string): boolean {
  const parts = expected.trimEnd().split('…')
  const pattern = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\n]*?')
  return new RegExp(`^${pattern}$`).test(actual.trimEnd())
}
