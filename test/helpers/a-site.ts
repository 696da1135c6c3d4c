import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildResult, RunResult } from '../../src/model/build.ts'
import { directoryName } from '../../src/model/names.ts'
import type { Plan } from '../../src/model/plan.ts'
import type { Request } from '../../src/model/request.ts'
import { statusOf, type Status } from '../../src/model/verdict.ts'
import { openPages } from '../../src/pages/open-pages.ts'
import type { Artifact } from '../../src/record/artifacts.ts'
import { openBuildRecord } from '../../src/record/build-record.ts'
import { keepFirstError } from '../../src/report/first-error.ts'
import { failedBuild, plannedRun } from './failed-build.ts'
import { receiver } from './receiver.ts'
import { tempDir } from './temp-dir.ts'

interface Left {
  log?: string | Uint8Array
  artifacts?: Artifact[]
  /** Of a build that runs. */
  status?: Status
}

interface Recorded {
  pipeline?: string
  number?: number
  request?: Partial<Request>
  plan?: Partial<Plan>
  result?: Partial<BuildResult>
  /** What runs left behind, by their names. */
  left?: Record<string, Left>
}

/** A home whose pages a real receiver serves. Builds are recorded as the builder records them. */
export async function aSite({ publicUrl = 'https://ci.example.org' } = {}) {
  const home = tempDir()
  mkdirSync(join(home, 'builds'))
  const errors: unknown[] = []
  const server = await receiver({ elsewhere: openPages({ home, publicUrl, ciName: 'Mill', log: { error: (...words: unknown[]) => void errors.push(words) } }) })
  return { home, server, errors, get: (path: string, init?: RequestInit) => fetch(server.url + path, { redirect: 'manual', ...init }), text: async (path: string) => (await fetch(server.url + path)).text(), begin, decide }

  /** A build that runs; runs that left nothing have not begun. */
  async function begin({ pipeline = 'acme~app', number = 7, request = {}, plan = {}, left = {} }: Recorded) {
    const settled = failedBuild({ request, plan })
    const record = openBuildRecord(join(home, 'builds', pipeline, String(number)), { request: settled.request, attempt: 1 })
    record.say(`Build ${pipeline}/${number} begins.`)
    record.keepPlan(settled.plan, settled.request)
    for (const [name, what] of Object.entries(left)) await leave(record.openRun({ name, params: {} }), what)
    return record
  }

  async function decide({ pipeline = 'acme~app', number = 7, request = {}, plan = {}, result = {}, left = {} }: Recorded): Promise<BuildResult> {
    const ended = { ...failedBuild({ request, result }).result, pipeline, number }
    const record = await begin({ pipeline, number, request, plan: { runs: ended.runs.map(({ name }) => plannedRun(name)), ...plan }, left: Object.fromEntries(Object.entries(left).map(([name, what]) => [name, { status: statusOf(verdictOf(ended.runs, name)), ...what }])) })
    await record.decide(ended)
    return ended
  }
}

async function leave({ directory, setStatus }: { directory: string; setStatus(status: Status): void }, { log = '', artifacts, status = 'RUNNING' }: Left): Promise<void> {
  writeFileSync(join(directory, 'console.log'), log)
  if (artifacts !== undefined) writeFileSync(join(directory, 'artifacts.json'), JSON.stringify(artifacts))
  if (/^(?:FAILED|TIMED-OUT|ERRORED)$/.test(status)) await keepFirstError(directory, (text) => text)
  setStatus(status)
}

function verdictOf(runs: RunResult[], name: string): RunResult['verdict'] {
  return runs.find((run) => run.name === name)?.verdict ?? 'passed'
}

/** The path of a run's page, or of its log. */
export function runPath(build: string, run: string, end = ''): string {
  return `/builds/${build}/${encodeURIComponent(directoryName(run))}${end}`
}

/** What a person reads on a page. */
export function wordsOf(page: string): string {
  const text = page.replace(/<style>[^]*?<\/style>/, '').replace(/<\/?(?:a|b|code|span|time)(?: [^>]*)?>/g, '').replace(/<[^>]+>/g, ' ')
  return text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&#39;/g, "'").replace(/&amp;/g, '&').replace(/\s+/g, ' ')
}
