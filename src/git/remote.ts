/** A URL taken apart for git: what may be shown and given on a command line, and what may not. */
export interface Remote {
  /** Without a password. */
  url: string
  /** The transport, by git's name for it: `https`, `ssh`, `file`. */
  protocol: string
  /** The origin that a token belongs to, as git's credential prompt spells it; https and http only. */
  origin?: string
  /** Credentials that stood in the URL. */
  user?: string
  password?: string
}

/** Reads what git would read as a repository's address. @throws where git could take it for an option or a helper */
export function readRemote(address: string): Remote {
  if (address.startsWith('-') || (address.startsWith('/') ? /[\p{Cc}\u2028\u2029]/u : /[\p{Cc}\s]/u).test(address)) throw new Error(`expected a URL that git can clone, got ${JSON.stringify(address)}`)
  if (address.startsWith('/')) return { url: address, protocol: 'file' }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1]?.toLowerCase()
  if (scheme === 'http' || scheme === 'https') return readWeb(address, scheme)
  if (scheme === 'ssh' || scheme === 'git') return { url: checkHost(address, address.slice(scheme.length + 3)), protocol: scheme }
  if (scheme === 'file') return { url: address, protocol: 'file' }
  if (/^[A-Za-z0-9_.]?[A-Za-z0-9_.-]*@[A-Za-z0-9_.-]+:(?!:)/.test(address)) return { url: checkHost(address, address), protocol: 'ssh' }
  throw new Error(`expected an https, ssh or git URL, or a path of this server, got ${JSON.stringify(address)}`)
}

function readWeb(address: string, scheme: string): Remote {
  const url = new URL(address)
  const { username, password } = url
  url.username = ''
  url.password = ''
  return {
    url: url.href,
    protocol: scheme,
    origin: url.origin,
    ...(username === '' ? {} : { user: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  }
}

/** `ssh://-oProxyCommand=…` would be an option of ssh; git refuses it too, this says it first. */
function checkHost(address: string, rest: string): string {
  if (/^-|@-/.test(rest)) throw new Error(`expected a host name, got ${JSON.stringify(address)}`)
  return address
}

/** A submodule's URL, which may be relative to the one of the repository that holds it: https://git-scm.com/docs/git-submodule#_commands (add) */
export function resolveUrl(parent: string, url: string): string {
  if (!/^\.\.?\//.test(url)) return url
  const start = /^(?:[a-z][a-z0-9+.-]*:\/\/[^/]*\/|[^/:]+@[^/:]+:\/?|\/)/i.exec(parent)?.[0] ?? ''
  const parts = parent.slice(start.length).replace(/\/+$/, '').split('/')
  for (const part of url.replace(/\/+$/, '').split('/')) {
    if (part === '..' && parts.length === 0) throw new Error(`the relative URL ${JSON.stringify(url)} leaves the server of ${parent}`)
    if (part === '..') parts.pop()
    else if (part !== '.' && part !== '') parts.push(part)
  }
  return start + parts.join('/')
}
