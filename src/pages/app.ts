import { Hono, type Context } from 'hono'
import { etag } from 'hono/etag'
import { HTTPException } from 'hono/http-exception'
import type { Logger } from '../log/open-log.ts'
import type { BuildId } from '../model/build.ts'
import { buildPage } from './build-page.ts'
import { findLog, openLogSender } from './console-log.ts'
import { doorPage } from './door-page.ts'
import { findBuild } from './find-build.ts'
import { guard, type Env } from './guard.ts'
import { problemPage, type Site } from './layout.ts'
import { openQueue } from './one-at-a-time.ts'
import { readBuild } from './read-build.ts'
import { readRun } from './read-run.ts'
import { runPage } from './run-page.ts'

export interface PagesSettings {
  home: string
  /** PUBLIC_URL */
  publicUrl: string
  /** CI_NAME */
  ciName: string
  log: Pick<Logger, 'error'>
}

/** Pages that are read or wait to be; further readers are told to come again. */
const mostWaiting = 50

/** The pages of builds and runs, drawn from the records at each request, and the logs as they are. */
export function pagesApp({ home, ciName, log }: PagesSettings, base: string): Hono<Env> {
  const site: Site = { base, ciName }
  const app = new Hono<Env>({ strict: false })
  const pages = pagesOf(home, site)
  app.use(guard)
  app.route('/', pages)
  if (base !== '') app.route(base, pages)
  app.notFound((c) => c.html(problemPage(site, 404), 404))
  app.onError((error, c) => {
    if (error instanceof HTTPException && error.status === 404) return c.html(problemPage(site, 404), 404)
    if (error instanceof HTTPException && error.status === 503) return c.html(problemPage(site, 503), 503, { 'Retry-After': '5' })
    log.error({ err: error, path: c.req.path.slice(0, 200) }, 'a page could not be drawn')
    return c.html(problemPage(site, 500), 500)
  })
  return app
}

function pagesOf(home: string, site: Site): Hono<Env> {
  const inTurn = openQueue(mostWaiting)
  const sendLog = openLogSender()
  return new Hono<Env>({ strict: false })
    .get('/', (c) => c.html(doorPage(site)))
    .get('/builds', (c) => c.html(doorPage(site)))
    .get('/builds/:pipeline/:number', etag(), async (c) => c.html(buildPage(site, await read(c, (build) => readBuild(home, build)))))
    .get('/builds/:pipeline/:number/:run', etag(), async (c) => c.html(runPage(site, await read(c, (build) => readRun(home, build, c.req.param('run'))))))
    .get('/builds/:pipeline/:number/:run/console.log', async (c) => sendLog(c, await read(c, (build) => findLog(home, build, c.req.param('run')))))

  /** Reads something of the build that the address names, when its turn has come. @throws 404 where there is none, 503 where too many wait */
  async function read<T>(c: Context<Env>, what: (build: BuildId) => Promise<T | undefined>): Promise<T> {
    const { pipeline, number } = c.req.param() as { pipeline: string; number: string }
    const reading = inTurn(async () => {
      const build = await findBuild(home, { pipeline, number })
      return build && what(build)
    })
    if (reading === undefined) throw new HTTPException(503)
    const found = await reading
    if (found === undefined) throw new HTTPException(404)
    return found
  }
}
