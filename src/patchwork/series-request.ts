import { createHash } from 'node:crypto'
import type { Request, Series } from '../model/request.ts'
import type { SeriesAnswer } from './answers.ts'
import type { PatchworkSource } from './settings.ts'
import { readTitle } from './title.ts'

/** A series as a request for one pipeline, based on that commit. Mailed by anybody, it is never trusted. */
export function seriesRequest(answer: SeriesAnswer, { source, pipeline, base }: { source: PatchworkSource; pipeline: string; base: string }): Request {
  const series = seriesOf(answer, source)
  const { name, email } = series.submitter
  return {
    repository: repositoryName(source),
    ref: `refs/heads/${source.branch}`,
    commit_id: base,
    committer_name: name,
    committer_email: email,
    author_name: name,
    author_email: email,
    clone_url: source.tree,
    source: 'patchwork',
    trusted: false,
    hook: `patchwork:${source.project}`,
    delivery: deliveryOf(series, pipeline),
    message: series.name,
    series,
    pipeline,
  }
}

/** The patches in the order n/m, whatever the order in which they were mailed or came. */
function seriesOf(answer: SeriesAnswer, { url, project, each_patch, pipelines }: PatchworkSource): Series {
  const patches = answer.patches.map(({ id, msgid, name }) => ({ id, msgid, name, n: readTitle(name).n })).sort((a, b) => a.n - b.n || a.id - b.id)
  return {
    server: url.replace(/\/+$/, ''),
    project,
    id: answer.id,
    version: Math.max(1, answer.version),
    name: answer.name || (patches[0]?.name ?? ''),
    submitter: { name: answer.submitter.name || answer.submitter.email, email: answer.submitter.email },
    ...(answer.cover_letter === null ? {} : { cover: { id: answer.cover_letter.id, msgid: answer.cover_letter.msgid } }),
    patches,
    each_patch,
    pipelines,
  }
}

/** `<server>/<series>/<version>/<pipeline>`; a long pipeline's name gives way to its hash, since ids of deliveries are bounded. */
function deliveryOf({ server, id, version }: Series, pipeline: string): string {
  const delivery = `${server.replace(/^https?:\/\//, '')}/${id}/${version}/${pipeline}`
  if (delivery.length <= 200) return delivery
  return `${server.slice(0, 100)}/${id}/${version}/${createHash('sha256').update(delivery).digest('hex').slice(0, 32)}`
}

/** The tree's last part, as the record's directories are named. */
function repositoryName({ tree, project }: Pick<PatchworkSource, 'tree' | 'project'>): string {
  const name = tree.replace(/\/+$/, '').split(/[/:]/).at(-1)!.replace(/\.git$/, '').replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^-+/, '').slice(0, 100)
  return /^\.*$/.test(name) ? project : name
}
