import { storyOf, type ReportSource, type Row, type Story } from './story.ts'

/** Runs up to which the graph is drawn: forges refuse larger ones. */
const drawnRuns = 100

/** The report of a build as Markdown, with a Mermaid graph of the runs and their needs. Nobody's name can add to its structure or call somebody. */
export function markdownReport(source: ReportSource): string {
  const story = storyOf(source)
  return [heading(story), ...errors(story), table(story.rows), graph(story.rows), story.reason === undefined ? '' : escape(story.reason)].filter((part) => part !== '').join('\n\n') + '\n'
}

function heading({ light, verdict, repository, ref, commit, build, took }: Story): string {
  return `## ${light} ${verdict} : ${code(repository)} ${code(ref)}\n\nsha ${code(commit)}, build ${code(build)}${took === '' ? '' : `, ${took}`}`
}

function errors({ errors: found }: Story): string[] {
  return found.map(({ run, place, guess, lines }) => `${guess ? 'The end of' : 'First error of'} ${code(run)}${place === undefined ? '' : ` (${code(place)})`}:\n\n${fence(lines)}`)
}

function table(rows: Row[]): string {
  if (rows.length === 0) return ''
  const lines = rows.map(({ light, name, id, verdict, took, note }) => `| ${light} | ${code(name)} | ${id} | ${verdict} | ${took} | ${escape(note)} |`)
  return ['| | Run | Id | Verdict | Time | |', '|---|---|---|---|---:|---|', ...lines].join('\n')
}

/** Nodes are named by their number, so that no name is ever syntax. */
function graph(rows: Row[]): string {
  if (rows.length === 0 || rows.length > drawnRuns) return ''
  const nodes = rows.map(({ name, verdict, took }, index) => `  r${index}["${label(name)}<br/>${verdict}${took === '' ? '' : ` ${label(took)}`}"]:::${verdict}`)
  const edges = rows.flatMap(({ needs }, index) => needs.map((need) => `  r${need} --> r${index}`))
  return ['```mermaid', 'graph LR', ...nodes, ...edges, ...colours, '```'].join('\n')
}

const colours = [
  '  classDef passed fill:#d3f9d8,stroke:#2b8a3e,color:#000',
  '  classDef failed fill:#ffe3e3,stroke:#c92a2a,color:#000',
  '  classDef timed-out fill:#ffe3e3,stroke:#c92a2a,color:#000',
  '  classDef errored fill:#ffe8cc,stroke:#d9480f,color:#000',
  '  classDef not-applied fill:#fff3bf,stroke:#e67700,color:#000',
  '  classDef cancelled fill:#f1f3f5,stroke:#868e96,color:#000',
  '  classDef skipped fill:#f1f3f5,stroke:#868e96,color:#000',
]

/** Mermaid reads `#<code>;` as a character. */
function label(text: string): string {
  return text.replace(/[^\p{L}\p{N} ._/-]/gu, (character) => `#${character.codePointAt(0)};`)
}

/** Forges do not look for people and issues inside code. */
function code(text: string): string {
  return `<code>${escape(text)}</code>`
}

/** Entities cannot stand for the symbols of Markdown's structure (https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references). */
function escape(text: string): string {
  return text.replace(/[!-,:-@[-`{-~]|(?<=www)\./gi, (character) => `&#${character.charCodeAt(0)};`)
}

/** A code block whose fence is longer than any in its lines. */
function fence(lines: string[]): string {
  const longest = Math.max(2, ...lines.flatMap((line) => [...line.matchAll(/`+/g)].map(([run]) => run.length)))
  const mark = '`'.repeat(longest + 1)
  return `${mark}\n${lines.join('\n')}\n${mark}`
}
