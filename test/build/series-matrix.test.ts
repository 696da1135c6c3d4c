/** @module-tag long */
import { describe, expect, test } from 'vitest'
import type { BuildResult } from '../../src/model/build.ts'
import { aSeriesServer, mailsSince } from '../helpers/a-series-server.ts'
import { gitRepo, type GitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { randomFrom } from '../helpers/random.ts'

const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const seed = Number(process.env['BLAME_SEED'] ?? 20260101)
const rounds = 2

const columns = ['none', 'new', 'parent', 'infra', 'not-applied'] as const
type Truth = (typeof columns)[number]

/** How a commit does: green, red by its exit code or by a signal, green with that many more warnings than the branch began with, or not to be checked out. */
type State = 'good' | 'bad' | 'killed' | 'old' | 'fresh' | 'gone'

/** A series whose classes are known because the test made it. */
interface Case {
  kind: string
  base: State
  patches: State[]
  /** Not based on anything that the branch has. */
  stray?: true
}

/** What must be told of a case: the class of its build, a state for each patch, and the patch that its author hears of. */
interface Expected {
  truth: Truth
  checks: (string | undefined)[]
  replies: number[]
}

const random = randomFrom(seed)
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
const red = () => pick(['bad', 'killed'] as const)
const some = (state: () => State): State[] => Array.from({ length: 1 + Math.floor(random() * 3) }, state)

const kinds: Record<string, () => Omit<Case, 'kind'>> = {
  'stays green': () => ({ base: 'good', patches: some(() => 'good') }),
  'the first breaks it': () => ({ base: pick(['good', 'old']), patches: some(red) }),
  'the second of several breaks it': () => ({ base: 'good', patches: ['good', red(), ...some(red)] }),
  'the last of several breaks it': () => ({ base: 'good', patches: ['good', ...some(() => 'good'), red()] }),
  'the base is red': () => ({ base: 'bad', patches: some(red) }),
  'the base is red, and is repaired': () => ({ base: 'bad', patches: [red(), 'good'] }),
  'the base is red, repaired by the first and broken again by the second': () => ({ base: 'bad', patches: ['good', red(), ...some(red)] }),
  'the base cannot be built': () => ({ base: 'gone', patches: some(red) }),
  'warnings that were there': () => ({ base: 'old', patches: some(() => 'old') }),
  'new warnings in the first': () => ({ base: pick(['good', 'old']), patches: ['fresh', ...some(() => 'fresh')] }),
  'new warnings in the last': () => ({ base: 'old', patches: ['old', 'fresh'] }),
  'does not apply': () => ({ base: 'good', patches: ['good'], stray: true }),
}

const isRed = (state: State | undefined) => state === 'bad' || state === 'killed'
const gravest = (classes: Truth[]) => (['new', 'infra', 'not-applied', 'parent'] as const).find((one) => classes.includes(one)) ?? 'none'
const moreWarnings = (before: State, now: State) => ({ good: 0, old: 1, fresh: 2 })[now as 'good'] > ({ good: 0, old: 1, fresh: 2 }[before as 'good'] ?? 9)

/** By docs/blame.md alone: each patch against the one before it. */
function expectedOfEach({ base, patches, stray }: Case): Expected {
  if (stray) return { truth: 'not-applied', checks: ['warning'], replies: [] }
  const classes = patches.map((state, index): Truth => {
    const before = index === 0 ? base : patches[index - 1]
    if (!isRed(state)) return 'none'
    return before === 'gone' ? 'infra' : isRed(before) ? 'parent' : 'new'
  })
  const checks = patches.map((state, index) => (classes[index] === 'new' ? 'fail' : classes[index] !== 'none' || (index === 0 ? moreWarnings(base, state) : moreWarnings(patches[index - 1]!, state)) ? 'warning' : 'success'))
  return { truth: gravest(classes), checks, replies: classes.includes('new') ? [classes.indexOf('new')] : [] }
}

/** The last one against the base, and where that is green, the first that is red. */
function expectedOfWhole({ base, patches, stray }: Case): Expected {
  if (stray) return { truth: 'not-applied', checks: ['warning'], replies: [] }
  const last = patches.at(-1)!
  const before = patches.slice(0, -1).map(() => undefined)
  if (!isRed(last)) return { truth: 'none', checks: [...before, moreWarnings(base, last) ? 'warning' : 'success'], replies: [] }
  if (base === 'gone' || isRed(base)) return { truth: base === 'gone' ? 'infra' : 'parent', checks: [...before, 'warning'], replies: [] }
  const first = patches.findIndex(isRed)
  return { truth: 'new', checks: patches.map((_, index) => (index === first ? 'fail' : index === patches.length - 1 ? 'warning' : undefined)), replies: [first] }
}

/** A branch with a commit in each state, green at its tip. */
function makeBranch(): { repo: GitRepo; bases: Map<State, string> } {
  const repo = gitRepo()
  const bases = new Map((['old', 'bad', 'gone', 'good'] as const).map((state) => [state, commitAs(repo, state, `begin ${state}`)]))
  return { repo, bases }
}

function commitAs(repo: GitRepo, state: State, name: string): string {
  const warnings = ['state.txt:1: warning: old', 'state.txt:2: warning: fresh'].slice(0, state === 'fresh' ? 2 : state === 'old' ? 1 : 0)
  const gone = state === 'gone'
  repo.git('rm', '--quiet', '--cached', '--ignore-unmatch', 'sub')
  repo.commit({ 'state.txt': [`state: ${state}`, ...warnings, name, ''].join('\n'), '.gitmodules': gone ? '[submodule "sub"]\n\tpath = sub\n\turl = https://127.0.0.1:9/gone.git\n' : '' }, `state: ${name}`)
  if (gone) repo.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},sub`)
  repo.git('commit', '--quiet', '--amend', '--no-edit')
  return repo.git('rev-parse', 'HEAD')
}

const job = `workspace: commit
script: |
  cat state.txt
  if grep -q "^state: bad" state.txt; then echo "error: broken on purpose"; exit 3; fi
  if grep -q "^state: killed" state.txt; then kill -KILL $$; fi
`

describe.skipIf(!sandboxed)('the classes of mailed series', () => {
  test.each([
    ['each patch', expectedOfEach, true],
    ['the whole', expectedOfWhole, false],
  ] as const)(`where %s is tested: every failure gets the class that it has, on the patch that it is of (seed ${seed})`, { timeout: 600_000 }, async (what, expectedOf, eachPatch) => {
    const { repo, bases } = makeBranch()
    const server = await aSeriesServer({ tree: repo.path, jobs: { make: job }, source: { each_patch: eachPatch } })
    const cases = Array.from({ length: rounds }, () => Object.entries(kinds)).flat().map(([kind, make]): Case => ({ kind, ...make() }))
    const mailed = cases.map((one, index) => {
      repo.git('checkout', '--quiet', '--detach', bases.get(one.base)!)
      if (one.stray) commitAs(repo, 'good', 'stray')
      const start = repo.git('rev-parse', 'HEAD')
      one.patches.forEach((state, n) => commitAs(repo, state, `case ${index} patch ${n + 1}`))
      const patches = mailsSince(repo, start)
      return server.fake.addSeries({ name: `case ${index}`, patches, ...(one.stray === undefined && { cover: { name: `[0/${patches.length}] case ${index}`, content: `base-commit: ${start}\n` } }) })
    })
    repo.git('checkout', '--quiet', 'main')
    await server.poll()
    expect(await server.build(['--threads', '2'])).toMatchObject({ code: 0, stderr: '' })

    const results = server.list('builds/make').map((number) => server.result(`make/${number}`))
    const forBlame = results.filter(({ entry }) => server.requestOf(entry).blame !== undefined)
    const seen = cases.map((one, index) => {
      const { id, patches } = mailed[index]!
      const result = results.find(({ entry }) => server.requestOf(entry).series?.id === id && server.requestOf(entry).blame === undefined)!
      const replies = server.smtp.taken.flatMap(({ email }) => patches.findIndex((patch) => email.inReplyTo === `<patch-${patch}@example.com>`)).filter((found) => found >= 0)
      return { ...one, result, checks: patches.map((patch) => Object.values(server.shown(patch))[0]?.replace(/:.*/, '')), replies }
    })
    const expected = cases.map(expectedOf)
    console.log(`seed ${seed}, ${what} of ${cases.length} series, ${results.length} builds, ${forBlame.length} of them for blame; rows: the truth, columns: the class found`)
    console.table(Object.fromEntries(columns.map((truth) => [truth, Object.fromEntries(columns.map((found) => [found, seen.filter(({ result }, index) => expected[index]!.truth === truth && classOf(result) === found).length]))])))
    expect(seen.map(({ kind, result, checks, replies }) => ({ kind, truth: classOf(result), checks, replies }))).toEqual(expected.map((one, index) => ({ kind: cases[index]!.kind, ...one })))
    for (const { result } of seen) for (const run of result.runs) expect(run.blame !== undefined, `${run.name} of make/${result.number}`).toBe(!['passed', 'skipped'].includes(run.verdict))
    expect(server.smtp.taken.filter(({ to }) => to.includes('admin@example.org'))).toHaveLength(expected.filter(({ truth }) => truth === 'infra').length)
    // A base is tested once, whoever asks; a check is told once.
    const executed = forBlame.flatMap(({ commit_id: commit, verdict, runs }) => (verdict !== 'errored' && runs.some(({ reused }) => reused === undefined) ? [commit] : []))
    expect(executed.toSorted()).toEqual([...new Set(executed)].toSorted())
    for (const { patches } of mailed) for (const patch of patches) expect(server.told(patch).filter((line) => !line.includes(' pending:')).length).toBeLessThanOrEqual(1)
    expect([...server.list('ledger/held'), ...server.list('queue/low'), ...server.list('queue/claimed'), ...server.list('cache/work')]).toEqual([])
  })
})

function classOf({ blame }: BuildResult): Truth {
  return (blame?.class as Truth | undefined) ?? 'none'
}
