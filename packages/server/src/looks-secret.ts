/** Whether a text holds something that looks like a token, a private key, or a URL with a password. */
export function looksSecret(text: string): boolean {
  for (let at = text.indexOf('eyJ'); at !== -1; at = text.indexOf('eyJ', at + 1)) {
    if (beginsToken(text.slice(at, at + 16))) return true
  }
  if (text.includes('PRIVATE KEY-----')) return true
  const authority = text.indexOf('://')
  const at = authority === -1 ? -1 : text.indexOf('@', authority)
  return (
    at !== -1 && text.slice(authority + 3, at).includes(':') && !text.slice(authority + 3, at).includes('/')
  )
}

/**
 * Every JWT begins with the base64url of `{"`, and what follows is text too; an id of random characters, which has the
 * same beginning once in some ten thousand, decodes to anything.
 */
function beginsToken(text: string): boolean {
  return /^[\w-]{16}$/.test(text) && /^[ -~]{12}$/.test(Buffer.from(text, 'base64url').toString('latin1'))
}
