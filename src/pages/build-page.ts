import { html } from 'hono/html'
import { pagePath } from '../model/address.ts'
import { branchOf, type Request } from '../model/request.ts'
import type { Row, RunSoFar } from '../report/story.ts'
import { blameWords, buildLink, change, factList, moment, words, type Fact } from './facts.ts'
import { firstErrors } from './first-errors.ts'
import { page, unfinished, verdictMark, type Html, type Site } from './layout.ts'
import { logPart } from './log-part.ts'
import type { ShownBuild } from './read-build.ts'

/** Runs, and needs of a run, that are listed. */
const mostRows = 1000
const mostNeeds = 10

/** The page of a build: how it ended, or how far it is. */
export function buildPage(site: Site, shown: ShownBuild): Html {
  const { record, story, summary, log } = shown
  const { build, verdict, rows } = story
  const nameOf = (row: number) => html`<a href="${site.base}${pagePath(record.build, record.directories[row])}">${words(rows[row]!.name)}</a>`
  return page(site, {
    title: `${verdict}: ${build}`,
    heading: html`${verdictMark(verdict)} ${build}`,
    body: [unfinished(verdict), factList(facts(site, shown)), ...firstErrors(story, nameOf), runTable(site, shown, nameOf), sentences(summary), ...(log === undefined ? [] : [logPart(log, `${site.base}${pagePath(record.build, record.directories[0])}/console.log`)])],
  })
}

function facts(site: Site, { record: { request, plan, result }, story }: ShownBuild): Fact[] {
  return [
    ['because', story.reason && words(story.reason)],
    ['blame', blameWords(result.blame, story.reason)],
    ...change(request, story, result.commit_id),
    ...origin(site, request),
    ['pipeline', plan && words(`${plan.pipeline}: ${plan.why}`)],
    ['attempt', result.attempt > 1 ? result.attempt : undefined],
    ['started', moment(result.started)],
    ['ended', moment(result.ended)],
    ['took', story.took],
  ]
}

/** Who asked for it. People are named without their addresses: these pages may be read by everybody. */
function origin(site: Site, request: Request): Fact[] {
  const { pull_request: pull, series } = request
  return [
    ['message', words((request.message ?? '').split('\n', 1)[0]!)],
    ['author', words(series?.submitter.name ?? request.author_name ?? request.committer_name)],
    ['pull request', pull && words(`${pull.number}, into ${branchOf({ ...request, ref: pull.base_ref })}`)],
    ['series', series && words(`${series.id}, version ${series.version}: ${series.name} (${series.patches.length} ${series.patches.length === 1 ? 'patch' : 'patches'})`)],
    ['retry of', request.retry_of && buildLink(site, request.retry_of)],
    ['built for', request.blame && html`${buildLink(site, request.blame.for)}, to tell whose its failure is`],
  ]
}

function runTable(site: Site, { record, story: { rows } }: ShownBuild, nameOf: (row: number) => Html): Html {
  if (rows.length === 0) return html``
  const listed = rows.slice(0, mostRows)
  return html`<h2 id="runs">Runs</h2>
<div class="wide" role="region" aria-labelledby="runs" tabindex="0"><table class="runs">
<thead><tr><th scope="col">Run</th><th scope="col">Verdict</th><th scope="col">Took</th><th scope="col">Needs</th><th scope="col">Note</th></tr></thead>
<tbody>
${listed.map((row, index) => html`<tr><th scope="row">${nameOf(index)}</th><td>${verdictMark(row.verdict)}</td><td class="number">${row.took}</td><td>${needs(row, rows)}</td><td>${notes(site, row, record.result.runs[index]!)}</td></tr>\n`)}</tbody>
</table></div>
${rows.length > listed.length ? html`<p>${rows.length - listed.length} more runs are not listed here.</p>` : ''}`
}

function needs({ needs: needed }: Row, rows: Row[]): string {
  const names = needed.slice(0, mostNeeds).map((index) => words(rows[index]!.name))
  return [...names, ...(needed.length > mostNeeds ? [`${needed.length - mostNeeds} more`] : [])].join(', ')
}

/** What there is to say of a run, a part after the other. */
function notes(site: Site, { note }: Row, run: RunSoFar): Html[] {
  const parts = [
    note,
    run.reason && words(run.reason),
    run.reused && html`verdict taken from ${buildLink(site, run.reused, run.reused_run ?? run.name)}`,
    blameWords(run.blame, run.reason),
  ].filter((part) => part !== undefined && part !== '')
  return parts.map((part, index) => html`${index > 0 ? '; ' : ''}${part}`)
}

/** The build's own sentences. */
function sentences(summary: string): Html {
  const lines = summary.split('\n').filter((line) => line !== '')
  if (lines.length === 0) return html``
  return html`<h2>What happened</h2>
<ol class="story">
${lines.map((line) => {
    const [, time, sentence = line] = /^(\d{4}-\S+Z) (.*)$/.exec(line) ?? []
    return html`<li>${moment(time)} ${words(sentence ?? line)}</li>\n`
  })}</ol>
`
}
