import * as v from 'valibot'

/** This room's setting in environment.sh. */
export const gitEnvironment = {
  /** The only host that CLONE_TOKEN is sent to, with its port where that is not 443. */
  CLONE_TOKEN_HOST: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9.-]+(?::\d+)?$/, 'expected a host name, like github.com')), 'github.com'),
}

/** The token, where the URL is one that it is meant for: https, and its own host. A request may name any address, and must not choose who gets it. */
export function cloneToken(url: string, { token, host }: { token: string | undefined; host: string }): string | undefined {
  if (!url.startsWith('https://')) return undefined
  return new URL(url).host === host.toLowerCase() ? token : undefined
}
