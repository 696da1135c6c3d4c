import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeLimitGroup, removeLeftGroups } from '../../src/executor/limit-group.ts'

const limits = { timeout: 1, grace: 1, memory: 2 ** 30 }

/** Where a run's group is made here, if this user may make one. */
function makeGroup(home: string): string | undefined {
  const group = makeLimitGroup(`${home}/p/1/r`, limits)
  onTestFinished(() => group?.remove())
  return group && dirname(group.entrances[0]!)
}

test('a group of a builder that died in another session is removed, and no other home\'s', ({ skip }) => {
  const [ours, theirs] = [`ours-${process.pid}`, `theirs-${process.pid}`]
  const groups = [makeGroup(ours), makeGroup(theirs)]
  if (groups.some((path) => path === undefined)) skip('no control group may be made here')
  const session = join(dirname(groups[0]!), `session-${process.pid}.scope`)
  const [own, other] = groups.map((path) => join(session, basename(path!)))
  onTestFinished(() => {
    for (const path of [own!, other!, session]) if (existsSync(path)) rmdirSync(path)
  })
  for (const path of [own!, other!]) mkdirSync(path, { recursive: true })
  removeLeftGroups(ours)
  expect([groups[0]!, own!, groups[1]!, other!].map((path) => existsSync(path))).toEqual([false, false, true, true])
})
