/** @module-tag long */
import { expect, test } from 'vitest'
import type { BuildResult } from '../../src/model/build.ts'
import type { Request } from '../../src/model/request.ts'
import { aBlameHome } from '../helpers/a-blame-home.ts'
import { withGoneSubmodule, writeHistory, type Written } from '../helpers/history.ts'
import { randomFrom } from '../helpers/random.ts'

const seed = Number(process.env['BLAME_SEED'] ?? 20260101)
/** Every kind twice, and the one with most to go wrong in it six times more. */
const rounds = 2
const further = 6

const columns = ['none', 'new', 'parent', 'flaky', 'infra'] as const
type Truth = (typeof columns)[number]

/** A push whose class is known because the test made its history. */
interface Case {
  kind: string
  job: string
  truth: Truth
  /** The mailbox of who broke it, where that is to be told. */
  culprit?: string
  /** Marks. */
  tip: number
  before?: number | undefined
  changes?: Partial<Request>
}

const random = randomFrom(seed)
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
const red = () => pick(['bad', 'killed'])
const anyJob = () => pick(['check', 'reused', 'both'])

/** Writes histories into one repository, a few commits a case, each with an author of its own. */
function openHistory() {
  const commits: Written[] = []
  const add = (state: string, parents: number[], further: Partial<Written> = {}) => {
    const mark = commits.length + 1
    commits.push({ person: `author${mark}@example.org`, parents, ...further, files: { state, makes: 'good', '.gitmodules': '', id: `c${mark}`, ...further.files } })
    return mark
  }
  /** Commits in a row; returns their marks. */
  const row = (states: string[], onto: number[] = []) => {
    const marks: number[] = []
    for (const state of states) marks.push(add(state, marks.length > 0 ? [marks.at(-1)!] : onto))
    return marks
  }
  const author = (mark: number) => commits[mark - 1]!.person
  const breakSubmodule = (mark: number) => Object.assign(commits[mark - 1]!, withGoneSubmodule(commits[mark - 1]!))
  return { commits, add, row, author, breakSubmodule }
}

type History = ReturnType<typeof openHistory>

const kinds: Record<string, (history: History) => Omit<Case, 'kind'>> = {
  'stays green': ({ row }) => {
    const [before, tip] = row(['good', 'good']) as [number, number]
    return { job: anyJob(), truth: 'none', tip, before }
  },
  'breaks it': ({ row, author }) => {
    const [before, tip] = row(['good', red()]) as [number, number]
    return { job: anyJob(), truth: 'new', tip, before, culprit: author(tip) }
  },
  'parent is red': ({ row }) => {
    const [, before, tip] = row(['good', red(), red()]) as [number, number, number]
    return { job: anyJob(), truth: 'parent', tip, before }
  },
  'parent is red by time': ({ row }) => {
    const [before, tip] = row(['slow', 'slow']) as [number, number]
    return { job: 'quick', truth: 'parent', tip, before }
  },
  'runs out of time': ({ row, author }) => {
    const [before, tip] = row(['good', 'slow']) as [number, number]
    return { job: 'quick', truth: 'new', tip, before, culprit: author(tip) }
  },
  'flaky here': ({ row }) => {
    const [before, tip] = row([pick(['good', 'bad']), 'flaky']) as [number, number]
    return { job: anyJob(), truth: 'flaky', tip, before }
  },
  'flaky on the parent': ({ row, author }) => {
    const [before, tip] = row(['flaky', 'bad']) as [number, number]
    return { job: anyJob(), truth: 'new', tip, before, culprit: author(tip) }
  },
  'cannot be checked out': ({ row, breakSubmodule }) => {
    const [before, tip] = row(['good', 'bad']) as [number, number]
    breakSubmodule(tip)
    return { job: anyJob(), truth: 'infra', tip, before }
  },
  'parent cannot be checked out': ({ row, breakSubmodule }) => {
    const [before, tip] = row(['good', 'bad']) as [number, number]
    breakSubmodule(before)
    return { job: anyJob(), truth: 'infra', tip, before }
  },
  'repaired, then broken again': ({ row, author }) => {
    const [, before, tip] = row(['bad', 'good', red()]) as [number, number, number]
    return { job: anyJob(), truth: 'new', tip, before, culprit: author(tip) }
  },
  'several commits': ({ row, author }) => {
    const count = 2 + Math.floor(random() * 6)
    const first = Math.floor(random() * count)
    const [before, ...pushed] = row(['good', ...Array.from({ length: count }, (_, index) => (index < first ? 'good' : red()))]) as [number, ...number[]]
    return { job: anyJob(), truth: 'new', tip: pushed.at(-1)!, before, culprit: author(pushed[first]!) }
  },
  'several commits on a red base': ({ row }) => {
    const [before, , tip] = row(['bad', 'good', 'bad']) as [number, number, number]
    return { job: anyJob(), truth: 'parent', tip, before }
  },
  'broken by a merge': ({ row, add, author }) => {
    const [base, before] = row(['good', 'good']) as [number, number]
    const side = row(['good', 'good'], [base]).at(-1)!
    const merge = add('bad', [before, side])
    const tip = add('bad', [merge])
    return { job: anyJob(), truth: 'new', tip, before, culprit: author(merge) }
  },
  'a forced push': ({ row, author }) => {
    const [base, old] = row(['good', 'bad']) as [number, number]
    const tip = row(['bad'], [base])[0]!
    return { job: anyJob(), truth: 'new', tip, before: old, culprit: author(tip) }
  },
  'a first commit': ({ row, author }) => {
    const tip = row(['bad'])[0]!
    return { job: anyJob(), truth: 'new', tip, culprit: author(tip) }
  },
  'no word of what was before': ({ row }) => {
    const [, tip] = row(['bad', 'bad']) as [number, number]
    return { job: anyJob(), truth: 'parent', tip }
  },
  'a need is broken': ({ add, author }) => {
    const before = add('good', [])
    const tip = add('good', [before], { files: { makes: 'bad' } })
    return { job: 'both', truth: 'new', tip, before, culprit: author(tip) }
  },
  'the parent does not get so far': ({ add }) => {
    const before = add('bad', [], { files: { makes: 'bad' } })
    const tip = add('bad', [before])
    return { job: 'both', truth: 'parent', tip, before }
  },
}

test(`every failure gets the class that it has, over ${rounds * Object.keys(kinds).length + further} histories (seed ${seed}), and only who broke it is mailed`, { timeout: 600_000 }, async () => {
  const history = openHistory()
  const names = [...Array.from({ length: rounds }, () => Object.keys(kinds)).flat(), ...Array<string>(further).fill('several commits')]
  const cases = names.map((kind): Case => ({ kind, ...kinds[kind]!(history) }))
  const mainRoot = history.add('good', [])
  const { path, ids } = writeHistory(history.commits, { main: mainRoot, ...Object.fromEntries(cases.flatMap(({ tip, before = tip }) => [[`tip-${tip}`, tip], [`tip-${before}`, before]])) })
  const { push, grind, results, resultOf, mailedBy, list } = aBlameHome(path)
  const entries = cases.map(({ job, tip, before, changes }) => push(job, ids[tip - 1]!, { ...(before !== undefined && { before: ids[before - 1]! }), ...changes }))
  await grind(3)
  const seen = cases.map((one, index) => ({ ...one, result: resultOf(entries[index]!), mailed: mailedBy(resultOf(entries[index]!)) }))
  const matrix = Object.fromEntries(columns.map((truth) => [truth, Object.fromEntries(columns.map((found) => [found, seen.filter((one) => one.truth === truth && classOf(one.result) === found).length]))]))
  console.log(`seed ${seed}, ${cases.length} histories, ${results().length} builds; rows: the truth, columns: the class found`)
  console.table(matrix)
  const expected = (one: Case) => (one.truth === 'new' ? [one.culprit] : one.truth === 'infra' ? ['admin@example.org'] : [])
  expect(seen.map(({ kind, result, mailed }) => ({ kind, found: classOf(result), mailed }))).toEqual(seen.map((one) => ({ kind: one.kind, found: one.truth, mailed: expected(one) })))
  for (const { result } of seen) for (const run of result.runs) expect(run.blame !== undefined, `${run.name} of ${result.pipeline}/${result.number}`).toBe(['failed', 'timed-out', 'errored'].includes(run.verdict))
  const forBlame = results().filter(({ entry }) => !entries.includes(entry))
  expect(forBlame.flatMap(mailedBy)).toEqual([])
  expect([...list('ledger/held'), ...list('queue/low'), ...list('queue/claimed'), ...list('cache/work')]).toEqual([])
})

function classOf({ blame }: BuildResult): Truth {
  return (blame?.class as Truth | undefined) ?? 'none'
}
