/** Whether a text holds something that looks like a token, a private key, or a URL with a password. */
export function looksSecret(text: string): boolean {
  let candidates = 0
  tokenStart.lastIndex = 0
  for (let match = tokenStart.exec(text); match !== null; match = tokenStart.exec(text)) {
    // Nothing honest has so many beginnings of tokens in it, and each costs time to look at.
    if (startsObject(match[0]) || ++candidates === mostCandidates) return true
    tokenStart.lastIndex = match.index + 1
  }
  if (text.includes('PRIVATE KEY-----')) return true
  const authority = text.indexOf('://')
  const at = authority === -1 ? -1 : text.indexOf('@', authority)
  return (
    at !== -1 && text.slice(authority + 3, at).includes(':') && !text.slice(authority + 3, at).includes('/')
  )
}

/**
 * A JWT begins with the base64 of an object, and so do its claims. An id of random characters begins the same way once in
 * ten thousand, but does not go on with a name.
 */
function startsObject(base64: string): boolean {
  return /^\{\s*"[^"]{0,40}"\s*:/.test(Buffer.from(base64, 'base64').toString('latin1'))
}

/** `{"`, or `{` before white space, in base64 of either alphabet. */
const tokenStart = /(?:eyJ|eyA|ewo|ewk|ew0)[\w+/-]{5,77}/g
const mostCandidates = 50
