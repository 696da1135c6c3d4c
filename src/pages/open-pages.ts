import type { HttpBindings } from '@hono/node-server'
import type { PagesSettings } from './app.ts'

/** Answers a request for a page; undefined for a request for anything else. */
export type Pages = (request: Request, bindings: HttpBindings) => Promise<Response> | undefined

/**
 * The pages of a home. They answer below the path of the public address, and without it, as reverse proxies hand a path on
 * or cut it off. What draws them is loaded with the first one: a receiver that is asked for none pays nothing.
 */
export function openPages(settings: PagesSettings): Pages {
  const bases = [...new Set(['', basePath(settings.publicUrl)])]
  let app: Promise<{ fetch: (request: Request, bindings: HttpBindings) => Response | Promise<Response> }> | undefined
  return (request, bindings) => {
    const { pathname } = new URL(request.url)
    if (!isAsSent(pathname, bindings)) return undefined
    if (!bases.some((base) => isPage(base, pathname) || (isDoor(base, pathname) && isFromBrowser(request)))) return undefined
    app ??= import('./app.ts').then(({ pagesApp }) => pagesApp(settings, basePath(settings.publicUrl)))
    return app.then(({ fetch }) => fetch(request, bindings))
  }
}

/**
 * A path with dots in it means one thing here and another to a proxy that guards /builds/: nginx and Caddy read %2f as a
 * slash before they follow dots, so that `/webhook/a%2fb/../../builds/` is below /webhook/ to them, and open to everybody.
 * Clients may put the scheme and the host in front of it (RFC 9112, section 3.2.2).
 */
function isAsSent(pathname: string, { incoming }: HttpBindings): boolean {
  return incoming.url?.replace(/^https?:\/\/[^/?#]+/i, '').split('?')[0] === pathname
}

function isPage(base: string, pathname: string): boolean {
  return pathname === `${base}/builds` || pathname.startsWith(`${base}/builds/`)
}

function isDoor(base: string, pathname: string): boolean {
  return pathname === base || pathname === `${base}/`
}

/** Programs are told there as everywhere else, in JSON, that nothing is there. */
function isFromBrowser({ headers }: Request): boolean {
  return headers.get('accept')?.includes('text/html') === true
}

/** The path in front of every page, without a slash at the end. */
function basePath(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/$/, '')
}
