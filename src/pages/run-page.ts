import { html } from 'hono/html'
import { pageAddress, pagePath } from '../model/address.ts'
import { buildName } from '../model/build.ts'
import type { Artifact } from '../record/artifacts.ts'
import { blameWords, buildLink, change, factList, moment, size, words, type Fact } from './facts.ts'
import { firstErrors } from './first-errors.ts'
import { page, unfinished, verdictMark, type Html, type Site } from './layout.ts'
import { logPart } from './log-part.ts'
import type { ShownRun } from './read-run.ts'

/** Needs and artifacts that are listed. */
const mostNeeds = 50
const mostArtifacts = 200

/** The page of a run: how it ended, or how far it is, and the end of its log. */
export function runPage(site: Site, shown: ShownRun): Html {
  const { record, story, run, directory, log, artifacts } = shown
  const build = words(buildName(record.build))
  const name = words(run.name)
  return page(site, {
    title: `${run.verdict}: ${name} – ${build}`,
    trail: html`<nav aria-label="Where you are"><a href="${pageAddress(site.base, record.build)}">${build}</a></nav>`,
    heading: html`${verdictMark(run.verdict)} ${name}`,
    body: [
      unfinished(run.verdict),
      factList(facts(site, shown)),
      ...firstErrors(story, () => name),
      artifactTable(artifacts),
      run.verdict === 'queued' || run.verdict === 'skipped' ? html`` : logPart(log, `${site.base}${pagePath(record.build, directory)}/console.log`),
    ],
  })
}

function facts(site: Site, { record, run, planned, story }: ShownRun): Fact[] {
  const [row] = story.rows
  return [
    ['because', run.reason && words(run.reason)],
    ['blame', blameWords(run.blame, run.reason)],
    ['exit code', run.code],
    ['signal', run.signal && words(run.signal)],
    ...change(record.request, story, planned?.patch?.commit ?? record.result.commit_id),
    ['needs', planned && needs(site, { record, needed: planned.needs })],
    ['executor', planned && words(`${planned.executor} ${planned.image ?? ''}`)],
    ['verdict taken from', run.reused && buildLink(site, run.reused, run.reused_run ?? run.name)],
    ['repeats', run.repeats && html`<a href="${pageAddress(site.base, record.build, run.repeats)}">${words(run.repeats)}</a>`],
    ['note', row?.note],
    ['started', moment(run.started)],
    ['ended', moment(run.ended)],
    ['took', row?.took],
  ]
}

function needs({ base }: Site, { record, needed }: { record: ShownRun['record']; needed: string[] }): Html | undefined {
  if (needed.length === 0) return undefined
  const links = needed.slice(0, mostNeeds).map((name, index) => html`${index > 0 ? ', ' : ''}<a href="${pageAddress(base, record.build, name)}">${words(name)}</a>`)
  return html`${links}${needed.length > mostNeeds ? `, ${needed.length - mostNeeds} more` : ''}`
}

/** Their names and sizes. They are not handed out: what a stranger's job made would be opened as if it were ours. */
function artifactTable(artifacts: Artifact[] | undefined): Html {
  if (artifacts === undefined) return html`<h2>Artifacts</h2>\n<p>There are too many to be listed here.</p>`
  if (artifacts.length === 0) return html``
  const listed = artifacts.slice(0, mostArtifacts)
  return html`<h2>Artifacts</h2>
<table>
<thead><tr><th scope="col">File</th><th scope="col">Size</th></tr></thead>
<tbody>
${listed.map(({ path, size: bytes }) => html`<tr><th scope="row"><code>${words(path)}</code></th><td class="number">${size(bytes)}</td></tr>\n`)}</tbody>
</table>
${artifacts.length > listed.length ? html`<p>${artifacts.length - listed.length} more are not listed here.</p>` : ''}`
}
