/**
 * Whether a text holds something that looks like a token (every JWT begins with the base64url of `{"`), a private key,
 * or a URL with a password.
 */
export function looksSecret(text: string): boolean {
  const token = text.indexOf('eyJ')
  if (token !== -1 && text.length - token > 20) return true
  if (text.includes('PRIVATE KEY-----')) return true
  const authority = text.indexOf('://')
  const at = authority === -1 ? -1 : text.indexOf('@', authority)
  return (
    at !== -1 && text.slice(authority + 3, at).includes(':') && !text.slice(authority + 3, at).includes('/')
  )
}
