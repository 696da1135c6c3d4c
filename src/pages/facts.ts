import { html } from 'hono/html'
import { pageAddress } from '../model/address.ts'
import { parseBuildName, type Blame } from '../model/build.ts'
import { readableLine } from '../model/readable.ts'
import { namesCommit, type Request } from '../model/request.ts'
import type { Story } from '../report/story.ts'
import type { Html, Site } from './layout.ts'

/** A name and what it is; left out where that is undefined or empty. */
export type Fact = [name: string, value: Html | string | number | undefined]

/** A list of facts. */
export function factList(facts: Fact[]): Html {
  const known = facts.filter(([, value]) => value !== undefined && value !== '')
  return html`<dl>
${known.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>`
}

/** What was built. A job that was started for itself builds no commit. */
export function change(request: Request, { repository, ref }: Story, commit: string): Fact[] {
  if (!namesCommit(request)) return [['repository', words(repository)]]
  return [
    ['repository', words(repository)],
    ['ref', html`<code>${words(ref)}</code>`],
    ['commit', html`<code>${words(commit)}</code>`],
  ]
}

/** A moment, in the time zone that all readers share. */
export function moment(iso: string | undefined): Html | undefined {
  const time = new Date(iso ?? Number.NaN)
  if (Number.isNaN(time.getTime())) return undefined
  return html`<time datetime="${time.toISOString()}">${time.toISOString().slice(0, 19).replace('T', ' ')} UTC</time>`
}

/** What records are named by; anything else is no name of ours. */
const ours = /^[\w.~,=+@ -]+$/

/** A link to the build of that name, or to one of its runs; the plain name where it is none. */
export function buildLink({ base }: Site, name: string, run?: string): Html | string {
  const build = parseBuildName(name)
  return build === undefined || !ours.test(build.pipeline) ? words(name) : html`<a href="${pageAddress(base, build, run)}">${words(name)}</a>`
}

/** Whose a failure is, and what that follows from, unless that reason stands beside it. */
export function blameWords(blame: Blame | undefined, told: string | undefined): string | undefined {
  return blame && words(blame.reason === told ? blame.class : `${blame.class}: ${blame.reason}`)
}

/** Characters of a stranger's words that are shown. */
const longest = 300

/** A stranger's words on one line, not too many of them. */
export function words(text: string): string {
  const characters = [...readableLine(text.slice(0, 10 * longest))]
  return characters.length <= longest ? characters.join('') : `${characters.slice(0, longest).join('')}…`
}

/** Bytes as people say them. */
export function size(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`
  const unit = bytes < 1024 ** 2 ? 'KiB' : bytes < 1024 ** 3 ? 'MiB' : 'GiB'
  const number = bytes / { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[unit]
  return `${number.toFixed(number < 10 ? 1 : 0)} ${unit}`
}
