import { storyOf, type ReportSource, type Row, type Story } from './story.ts'

/** The report of a build as plain text, for terminals, mails and git notes: the first errors, then one line a run. */
export function textReport(source: ReportSource): string {
  const story = storyOf(source)
  return [...errors(story), heading(story), '┏━ Runs', '┃', ...rows(story.rows), '┗━', ...(story.reason === undefined ? [] : [story.reason])].join('\n') + '\n'
}

function heading({ light, verdict, repository, ref, commit, build, took }: Story): string {
  return `╔ ${light} ${verdict} : ${repository} ${ref} [sha ${commit}] ${build}${took === '' ? '' : ` ${took}`}`
}

function errors({ errors: found }: Story): string[] {
  return found.flatMap(({ run, place, guess, lines }) => [`${guess ? 'The end of' : 'First error of'} ${run}${place === undefined ? '' : ` (${place})`}:`, ...lines.map((line) => `  ${line}`), ''])
}

function rows(all: Row[]): string[] {
  const names = Math.max(0, ...all.map(({ name }) => width(name)))
  const verdicts = Math.max(0, ...all.map(({ verdict }) => verdict.length))
  const times = Math.max(0, ...all.map(({ took }) => took.length))
  return all.map(({ light, name, id, verdict, took, note }) => {
    return `┃ ${light} : ${name}${' '.repeat(names - width(name))} [${id}] ${verdict.padEnd(verdicts)} ${took.padStart(times)} ${note}`.trimEnd()
  })
}

/** Columns that a terminal gives the text: two for the wide characters of East Asia and emoji. */
function width(text: string): number {
  let columns = 0
  for (const character of text) columns += /\p{M}|\u200d|\ufe0f/u.test(character) ? 0 : /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u.test(character) ? 2 : 1
  return columns
}
