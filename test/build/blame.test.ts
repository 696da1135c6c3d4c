import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { takeLock } from '../../src/disk/lock.ts'
import { exitOf, until } from '../helpers/a-home.ts'
import { aBlameHome } from '../helpers/a-blame-home.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { withGoneSubmodule, writeHistory, type Written } from '../helpers/history.ts'

/** A line of commits on main, one for each state; the author of the nth is `n@example.org`. */
function line(...states: string[]): Written[] {
  return states.map((state, index) => ({ files: { state, makes: 'good', id: `c${index}` }, parents: index === 0 ? [] : [index], person: `${index}@example.org` }))
}

function homeOf(states: string[], settings: Record<string, string> = {}) {
  const { path, ids } = writeHistory(line(...states), { main: states.length })
  return { ids, ...aBlameHome(path, settings) }
}

test('a failure is new where the parent is green: the parent is built once, after it, and its record mails nobody', async () => {
  const { ids, push, grind, results, resultOf, mailedBy, list } = homeOf(['good', 'bad'])
  const entry = push('check', ids[1]!, { before: ids[0]! })
  await grind()
  const [tip, parent] = [resultOf(entry), results().find(({ commit_id: commit }) => commit === ids[0])!]
  expect(results()).toHaveLength(2)
  expect(tip).toMatchObject({ verdict: 'failed', blame: { class: 'new', reason: expect.stringContaining('check/2') } })
  expect(parent).toMatchObject({ verdict: 'passed', number: 2 })
  expect([mailedBy(tip), mailedBy(parent)]).toEqual([['1@example.org'], []])
  expect(list('ledger/held')).toEqual([])
  expect(list('queue/low')).toEqual([])
})

test('a failure that the parent has too mails nobody, and record and ledger tell why', async () => {
  const { ids, push, grind, resultOf, mailedBy, ledger } = homeOf(['good', 'bad', 'bad'])
  const entry = push('check', ids[2]!, { before: ids[1]! })
  await grind()
  const tip = resultOf(entry)
  expect(tip).toMatchObject({ verdict: 'failed', blame: { class: 'parent' }, runs: [{ blame: { class: 'parent' } }, { name: 'check~2', repeats: 'check', blame: { class: 'parent' } }] })
  expect(mailedBy(tip)).toEqual([])
  expect(ledger()).toContain('check is parent')
})

test('two failures that are compared with one commit have it built once, although its verdict cannot be taken again', async () => {
  const commits = line('good', 'meets', 'meets')
  commits[2]!.parents = [1]
  const { path, ids } = writeHistory(commits, { main: 2, other: 3 })
  const { push, grind, resultOf, mailedBy, results, list } = aBlameHome(path, { BLAME_RETRY: '0' })
  const entries = [ids[1]!, ids[2]!].map((commit) => push('check', commit, { before: ids[0]! }))
  await grind(2)
  expect(results().filter(({ commit_id: commit }) => commit === ids[0])).toHaveLength(1)
  expect(entries.map((entry) => mailedBy(resultOf(entry)))).toEqual([['1@example.org'], ['2@example.org']])
  expect([...list('ledger/held'), ...list('queue/low')]).toEqual([])
})

test('a red base that one commit repairs and the next breaks again is new for the latter', async () => {
  const { ids, push, grind, resultOf, mailedBy } = homeOf(['bad', 'good', 'bad'])
  const entry = push('check', ids[2]!, { before: ids[1]! })
  await grind()
  expect(resultOf(entry).blame).toMatchObject({ class: 'new' })
  expect(mailedBy(resultOf(entry))).toEqual(['2@example.org'])
})

test('a run that passes when tried again is flaky: the build goes on, and nobody is mailed', async () => {
  const { ids, push, grind, resultOf, mailedBy, results } = homeOf(['good', 'flaky'])
  const entry = push('both', ids[1]!, { before: ids[0]! })
  await grind()
  expect(results()).toHaveLength(1)
  expect(resultOf(entry)).toMatchObject({
    verdict: 'passed',
    blame: { class: 'flaky' },
    runs: [{ name: 'make', verdict: 'passed' }, { name: 'make~2', verdict: 'passed' }, { name: 'both', verdict: 'failed', blame: { class: 'flaky' } }, { name: 'both~2', verdict: 'passed' }],
  })
  expect(mailedBy(resultOf(entry))).toEqual([])
})

test('a build that is cancelled while a failed run is tried again is cancelled, and nobody is mailed', async () => {
  const { home, marks, ids, push, startBuilder, resultOf, mailedBy } = homeOf(['good', 'halts'])
  const entry = push('check', ids[1]!, { before: ids[0]! })
  const builder = startBuilder()
  await until('it is tried again', () => existsSync(join(marks, 'second')))
  expect((await runQuern(home, ['cancel', 'check/1'])).code).toBe(0)
  expect(await exitOf(builder)).toBe(0)
  expect(resultOf(entry)).toMatchObject({ verdict: 'cancelled', runs: [{ name: 'check' }, { name: 'check~2', verdict: 'cancelled', repeats: 'check' }] })
  expect(mailedBy(resultOf(entry))).toEqual([])
})

test('a build that is cancelled while its failure is compared is cancelled, and nobody is mailed', async () => {
  const { home, marks, ids, push, startBuilder, resultOf, mailedBy, list, status } = homeOf(['good', 'meets'], { BLAME_RETRY: '0' })
  const entry = push('reused', ids[1]!, { before: ids[0]! })
  const builder = startBuilder()
  await until('it runs', () => list('marks').length > 0)
  // The parent cannot be looked at while somebody else fetches.
  const fetching = takeLock(join(home, 'cache/git', list('cache/git').find((name) => name.endsWith('.lock'))!))!
  mkdirSync(join(marks, 'other-meets'))
  await until('it failed', () => status('reused/1/runs/reused') === 'FAILED')
  expect((await runQuern(home, ['cancel', 'reused/1'])).code).toBe(0)
  fetching.release()
  expect(await exitOf(builder)).toBe(0)
  expect(resultOf(entry)).toMatchObject({ verdict: 'cancelled', reason: expect.stringContaining('cancelled by') })
  expect([...mailedBy(resultOf(entry)), ...list('ledger/held')]).toEqual([])
})

test('a builder that is told to stop while a failed run is tried again puts the build back', async () => {
  const { marks, ids, push, startBuilder, grind, status, resultOf } = homeOf(['good', 'halts'])
  const entry = push('check', ids[1]!, { before: ids[0]! })
  const builder = startBuilder()
  await until('it is tried again', () => existsSync(join(marks, 'second')))
  builder.kill('SIGTERM')
  expect(await exitOf(builder)).toBe(0)
  expect(status('check/1')).toBe('QUEUED')
  writeFileSync(join(marks, 'gate'), '')
  await grind()
  expect(resultOf(entry)).toMatchObject({ verdict: 'passed', attempt: 2 })
})

test('of eight pushed commits the first bad one is found by three further builds, and its author is mailed, once', async () => {
  const { ids, push, grind, resultOf, mailedBy, results } = homeOf(['good', 'good', 'good', 'good', 'bad', 'bad', 'bad', 'bad', 'bad'])
  const entry = push('check', ids[8]!, { before: ids[0]! })
  await grind()
  expect(resultOf(entry).blame).toMatchObject({ class: 'new', commit: ids[4], author_email: '4@example.org' })
  expect(mailedBy(resultOf(entry))).toEqual(['4@example.org'])
  expect(results().filter((result) => result.entry !== entry && result.commit_id !== ids[0])).toHaveLength(3)
})

test('a parent that cannot be built is ours: the administrator is told', async () => {
  const commits = line('good', 'bad')
  Object.assign(commits[0]!, withGoneSubmodule(commits[0]!))
  commits[1]!.files['.gitmodules'] = ''
  const { path, ids } = writeHistory(commits, { main: 2 })
  const { push, grind, resultOf, mailedBy } = aBlameHome(path)
  const entry = push('check', ids[1]!, { before: ids[0]! })
  await grind()
  expect(resultOf(entry)).toMatchObject({ verdict: 'failed', blame: { class: 'infra', reason: expect.stringContaining('could not be built') } })
  expect(mailedBy(resultOf(entry))).toEqual(['admin@example.org'])
})

/** A builder that dies just before it takes the parent's entry: the failure is held. */
async function held() {
  const home = homeOf(['good', 'bad'])
  const entry = home.push('check', home.ids[1]!, { before: home.ids[0]! })
  const fault = pathToFileURL(resolve('test/helpers/fault.mjs')).href
  // On a slow machine the parent may be claimed before the failed build is handed over: then that is left to the next builder.
  const claimed = () => home.list('queue/claimed').length > 0
  do await home.build([], { NODE_OPTIONS: `--import ${fault}`, FAULT_CALL: 'rename', FAULT_PATH: join(home.home, 'queue/low'), FAULT_AT: '1', FAULT_ERROR: 'KILL' })
  while (claimed())
  expect(home.resultOf(entry).blame).toBeUndefined()
  expect(home.list('queue/low')).toHaveLength(1)
  const [mark] = home.list('ledger/held') as [string]
  return { ...home, entry, mark, makeDue: () => renameSync(join(home.home, 'ledger/held', mark), join(home.home, 'ledger/held', mark.replace(/^\d+/, '1'))) }
}

test('while it is held, show says what it waits for and nobody is mailed; afterwards show and why tell the class with its reason', { tags: 'long' }, async () => {
  const { home, ids, entry, grind, mailedBy, resultOf } = await held()
  expect((await runQuern(home, ['show', 'check/1'])).stdout).toMatch(new RegExp(`blame +not known yet: ${ids[0]!.slice(0, 10)} is built first`))
  expect(mailedBy(resultOf(entry))).toEqual([])
  await grind()
  expect((await runQuern(home, ['show', 'check/1'])).stdout).toMatch(/blame +new: the parent \w+ \(check\/2\) is green/)
  expect((await runQuern(home, ['why', ids[1]!])).stdout).toMatch(/^failed: .*\n(?:.*\n)*.*check is new: the parent \w+ \(check\/2\) is green/)
})

test('a failure whose parent was taken out of the queue is told as ours when it is due, and a tick before that starts nothing', async () => {
  const { home, entry, grind, makeDue, resultOf, mailedBy, list } = await held()
  for (const name of list('queue/low')) rmSync(join(home, 'queue/low', name))
  await grind()
  expect(resultOf(entry).blame).toBeUndefined()
  makeDue()
  await grind()
  expect(resultOf(entry).blame).toMatchObject({ class: 'infra', reason: expect.stringContaining('not in the queue any more') })
  expect(mailedBy(resultOf(entry))).toEqual(['admin@example.org'])
  expect(list('ledger/held')).toEqual([])
})

test('a failure whose record somebody removed while it waited is waited for no longer', async () => {
  const { home, grind, list } = await held()
  rmSync(join(home, 'builds/check/1'), { recursive: true })
  await grind()
  expect(list('ledger/held')).toEqual([])
})

test('a parent that is not built in time makes the failure ours, and is no news when it is built after all', { tags: 'long' }, async () => {
  const { home, entry, grind, makeDue, resultOf, results, mailedBy } = await held()
  const file = join(home, 'builds/check/1/blame.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), due: 1 }))
  makeDue()
  await grind()
  expect(results()).toHaveLength(2)
  expect(resultOf(entry).blame).toMatchObject({ class: 'infra', reason: expect.stringContaining('in time') })
  expect(mailedBy(resultOf(entry))).toEqual(['admin@example.org'])
})

test('what deploys is neither tried again nor compared', async () => {
  const { ids, push, grind, resultOf, mailedBy, results } = homeOf(['bad', 'bad'])
  const entry = push('deploys', ids[1]!, { before: ids[0]! })
  await grind()
  expect(results()).toHaveLength(1)
  expect(resultOf(entry)).toMatchObject({ runs: [{ name: 'deploys', blame: { class: 'new' } }] })
  expect(mailedBy(resultOf(entry))).toEqual(['1@example.org'])
})

test('BLAME=never mails every failure at once', async () => {
  const { ids, push, grind, resultOf, mailedBy, results } = homeOf(['bad', 'bad'], { BLAME: 'never' })
  const entry = push('check', ids[1]!, { before: ids[0]! })
  await grind()
  expect(results()).toHaveLength(1)
  expect(resultOf(entry).blame).toBeUndefined()
  expect(mailedBy(resultOf(entry))).toEqual(['1@example.org'])
})

test('a stored verdict on the parent answers at once, red or green; a stored red never answers a request', { tags: 'long' }, async () => {
  const { ids, push, grind, resultOf, results, marks } = homeOf(['bad', 'bad', 'good', 'bad'])
  const first = push('reused', ids[0]!)
  await grind()
  expect(existsSync(join(marks, 'log'))).toBe(false)
  const second = push('reused', ids[1]!, { before: ids[0]! })
  await grind()
  expect(resultOf(second).blame).toMatchObject({ class: 'parent', reason: expect.stringContaining('reused/1') })
  const third = push('reused', ids[2]!, { before: ids[1]! })
  const fourth = push('reused', ids[3]!, { before: ids[2]! })
  await grind(1)
  expect(resultOf(fourth).blame).toMatchObject({ class: 'new', reason: expect.stringContaining(`reused/${resultOf(third).number}`) })
  expect(results()).toHaveLength(4)
  const again = push('reused', ids[0]!)
  const green = push('reused', ids[2]!)
  const fresh = push('reused', ids[2]!, { fresh: true })
  await grind(1)
  expect(resultOf(again).runs[0]!.reused).toBeUndefined()
  expect(resultOf(green).runs[0]!.reused).toBe(`reused/${resultOf(third).number}`)
  expect(resultOf(fresh).runs[0]!.reused).toBeUndefined()
  expect(resultOf(first).blame).toMatchObject({ class: 'new', reason: 'the commit has no parent' })
})

test('a failure that is asked for with "fresh" is compared with its parent as that does now, not as it once did', async () => {
  const { home, ids, marks, push, grind, resultOf, mailedBy } = homeOf(['good', 'good'])
  writeFileSync(join(home, 'job-defs/world.yml'), 'executor: shell\nreuse: true\nscript: test ! -e "$QUERN_TEST_MARKS/broken"\n')
  const first = push('world', ids[0]!)
  await grind()
  writeFileSync(join(marks, 'broken'), '')
  const second = push('world', ids[1]!, { before: ids[0]!, fresh: true })
  await grind()
  expect([resultOf(first).verdict, resultOf(second).verdict]).toEqual(['passed', 'failed'])
  expect(resultOf(second).blame).toMatchObject({ class: 'parent' })
  expect(mailedBy(resultOf(second))).toEqual([])
})
