import type { HttpBindings } from '@hono/node-server'
import type { PagesSettings } from './app.ts'

/** Answers a request for a page; undefined for a request for anything else. */
export type Pages = (request: Request, bindings: HttpBindings) => Promise<Response> | undefined

/**
 * The pages of a home. They answer below the path of the public address, and without it, as reverse proxies hand a path on
 * or cut it off. What draws them is loaded with the first one: a receiver that is asked for none pays nothing.
 */
export function openPages(settings: PagesSettings): Pages {
  const places = [...new Set(['', basePath(settings.publicUrl)])].map((base) => `${base}/builds/`)
  let app: Promise<{ fetch: (request: Request, bindings: HttpBindings) => Response | Promise<Response> }> | undefined
  return (request, bindings) => {
    const { pathname } = new URL(request.url)
    if (!places.some((place) => pathname.startsWith(place))) return undefined
    app ??= import('./app.ts').then(({ pagesApp }) => pagesApp(settings, basePath(settings.publicUrl)))
    return app.then(({ fetch }) => fetch(request, bindings))
  }
}

/** The path in front of every page, without a slash at the end. */
function basePath(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/$/, '')
}
