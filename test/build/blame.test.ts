import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aBlameHome } from '../helpers/a-blame-home.ts'
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

test('a stored verdict on the parent answers at once, red or green; a stored red never answers a request', async () => {
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
