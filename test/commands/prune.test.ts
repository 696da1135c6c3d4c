import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { takeLock } from '../../src/disk/lock.ts'
import { retired } from '../../src/record/retention.ts'
import { homeWithBuilds } from '../helpers/home-with-builds.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { aRequest } from '../helpers/a-request.ts'

const day = 24 * 60 * 60 * 1000

test.each([
  { rules: {}, kept: [1, 2, 3, 4] },
  { rules: { days: 15 }, kept: [3, 4] },
  { rules: { builds: 3 }, kept: [2, 3, 4] },
  { rules: { mebibytes: 2 }, kept: [3, 4] },
  { rules: { days: 35, builds: 2 }, kept: [3, 4] },
  { rules: { days: 1, mebibytes: 1 }, kept: [4] },
])('of builds that ended 40, 30, 10 and 5 days ago, a MiB each, $rules keeps $kept', ({ rules, kept }) => {
  const builds = [40, 30, 10, 5].map((ago, index) => ({ number: index + 1, ended: () => -ago * day, bytes: () => 1024 ** 2 }))
  const removed = retired(builds, rules, 0).map(({ number }) => number)
  expect([1, 2, 3, 4].filter((number) => !removed.includes(number))).toEqual(kept)
})

test.each([
  { rules: {}, looked: [] },
  { rules: { builds: 1 }, looked: [] },
  { rules: { days: 1 }, looked: ['ended'] },
  { rules: { mebibytes: 1 }, looked: ['bytes'] },
])('for $rules nothing is looked at but $looked', ({ rules, looked }) => {
  const asked = new Set<string>()
  const builds = [1, 2].map((number) => ({ number, ended: () => (asked.add('ended'), 0), bytes: () => (asked.add('bytes'), 0) }))
  retired(builds, rules, 0)
  expect([...asked]).toEqual(looked)
})

async function aHomeWithOldBuilds(yaml: string) {
  const home = homeWithBuilds()
  for (const digit of ['1', '2', '3']) {
    await home.accept(aRequest({ commit_id: digit.repeat(40), hook: 'amp_main', delivery: `delivery-${digit}` }))
    await home.decide('passed')
  }
  writeFileSync(join(home.home, 'quern.yaml'), yaml)
  writeFileSync(join(home.home, 'environment.sh'), '')
  return home
}

test.each([
  { written: 'example/app', meant: 'example~app' },
  { written: 'job:x86/fate', meant: 'x86~fate' },
])('rules for $written, which is no directory of builds/, are refused and remove nothing', async ({ written, meant }) => {
  const { home } = await aHomeWithOldBuilds(`retention:\n  builds: 1\n  pipelines:\n    ${written}: {builds: 500}\n`)
  const { code, stderr } = await runQuern(home, ['prune'])
  expect(code).toBe(2)
  expect(stderr).toContain(`quern.yaml:4: retention.pipelines.${written}: expected its name under builds/, like ${meant}, got "${written}"`)
  expect(existsSync(join(home, 'builds/app/1'))).toBe(true)
})

test('records past their retention go, the newest and their numbers stay, and the index follows', async () => {
  const { home, records } = await aHomeWithOldBuilds('retention: {days: 1}\n')
  expect(await runQuern(home, ['prune', '--dry-run'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Would remove 2 builds') })
  expect(readdirSync(join(home, 'builds/app'))).toHaveLength(3)
  expect(JSON.parse((await runQuern(home, ['prune', '--json'])).stdout)).toMatchObject([{ pipeline: 'app', number: 2 }, { pipeline: 'app', number: 1 }])
  expect(readdirSync(join(home, 'builds/app'))).toEqual(['3'])
  expect(readFileSync(join(home, 'builds/index.jsonl'), 'utf8').trim().split('\n')).toHaveLength(1)
  expect(records.reserve('app').number).toBe(4)
})

test.each(['after', 'before'])('a clock that is more than a year %s the last prune removes nothing before somebody says that it is right', async (side) => {
  const { home } = await aHomeWithOldBuilds('retention: {builds: 1}\n')
  const note = join(home, 'ledger/pruned')
  writeFileSync(note, `${new Date(Date.now() + (side === 'after' ? -3650 : 3650) * day).toISOString()}\n`)
  expect(await runQuern(home, ['prune'])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`if it is right: rm ${note}`) })
  expect(readdirSync(join(home, 'builds/app'))).toHaveLength(3)
  rmSync(note)
  for (const removed of [2, 0]) expect(await runQuern(home, ['prune'])).toMatchObject({ code: 0, stdout: expect.stringContaining(`Removed ${removed} builds`) })
  expect(Date.now() - Date.parse(readFileSync(note, 'utf8').trim())).toBeLessThan(day)
})

test('a build that has not ended stays, whatever its age, and so does one whose report waits', async () => {
  const { home } = await aHomeWithOldBuilds('retention: {builds: 1}\n')
  writeFileSync(join(home, 'builds/app/1/status'), 'RUNNING\n')
  const report = { id: 'email-1', publisher: 'email', build: 'app/2', created: new Date().toISOString(), payload: {} }
  mkdirSync(join(home, 'outbox'), { recursive: true })
  writeFileSync(join(home, 'outbox/9999999999-key.json'), JSON.stringify(report))
  await runQuern(home, ['prune'])
  expect(readdirSync(join(home, 'builds/app')).toSorted()).toEqual(['1', '2', '3'])
})

test('a wait that a builder ends between two looks of a prune does not stop it', async () => {
  const { home } = await aHomeWithOldBuilds('retention: {builds: 1}\n')
  mkdirSync(join(home, 'ledger/held'), { recursive: true })
  // A name that is there and cannot be opened, as it is then.
  symlinkSync('ended', join(home, 'ledger/held/1700000000-app~1'))
  expect(await runQuern(home, ['prune'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Removed 2 builds'), stderr: '' })
})

test('while a builder is at work, what was pruned is not listed either', async () => {
  const { home } = await aHomeWithOldBuilds('retention: {builds: 1}\n')
  const lock = takeLock(join(home, 'queue/.lock'))!
  await runQuern(home, ['prune'])
  lock.release()
  const { finished } = JSON.parse((await runQuern(home, ['builds', '--json'])).stdout) as { finished: { number: number }[] }
  expect(finished.map(({ number }) => number)).toEqual([3])
})

test('of prunes at once each tells of the records that it removed', async () => {
  const { home, decide, accept } = homeWithBuilds()
  await accept(aRequest())
  await decide('passed')
  for (let number = 2; number <= 200; number++) cpSync(join(home, 'builds/app/1'), join(home, `builds/app/${number}`), { recursive: true })
  writeFileSync(join(home, 'quern.yaml'), 'retention: {builds: 1}\n')
  writeFileSync(join(home, 'environment.sh'), '')
  const prunes = await Promise.all([1, 2, 3].map(() => runQuern(home, ['prune', '--json'])))
  expect(prunes.map(({ code, stderr }) => ({ code, stderr }))).toEqual(prunes.map(() => ({ code: 0, stderr: '' })))
  expect(prunes.flatMap(({ stdout }) => (JSON.parse(stdout) as { number: number }[]).map(({ number }) => number)).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 199 }, (_, index) => index + 1))
  expect(readdirSync(join(home, 'builds/app'))).toEqual(['200'])
})

test('a pipeline and a job definition may have rules of their own', async () => {
  const { home } = await aHomeWithOldBuilds('retention: {days: 1, pipelines: {app: {builds: 2}}}\n')
  await runQuern(home, ['prune'])
  expect(readdirSync(join(home, 'builds/app')).toSorted()).toEqual(['2', '3'])
  mkdirSync(join(home, 'job-defs'), { recursive: true })
  writeFileSync(join(home, 'job-defs/app.yml'), 'script: echo\nretention: {unit: builds, value: 1}\n')
  const { stderr } = await runQuern(home, ['prune'])
  expect({ stderr, left: readdirSync(join(home, 'builds/app')) }).toEqual({ stderr: '', left: ['3'] })
})

test('mirrors and packages that nobody has used for a month go', async () => {
  const { home } = await aHomeWithOldBuilds('')
  const then = new Date(Date.now() - 31 * day)
  for (const path of ['git/old', 'git/young', 'helpers/trusted/old', 'helpers/untrusted/young']) mkdirSync(join(home, 'cache', path), { recursive: true })
  for (const name of ['old', 'young']) writeFileSync(join(home, `cache/git/${name}.lock`), '')
  for (const path of ['git/old.lock', 'helpers/trusted/old']) utimesSync(join(home, 'cache', path), then, then)
  const told = '1 mirrors and 1 installations of packages that nobody has used for 30 days.'
  expect(await runQuern(home, ['prune', '--dry-run'])).toMatchObject({ code: 0, stdout: expect.stringContaining(`Would remove ${told}`) })
  expect(readdirSync(join(home, 'cache/git'))).toContain('old')
  expect(await runQuern(home, ['prune'])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(`Removed ${told}`) })
  expect(readdirSync(join(home, 'cache/git')).filter((name) => !name.endsWith('.lock'))).toEqual(['young'])
  expect([readdirSync(join(home, 'cache/helpers/trusted')), readdirSync(join(home, 'cache/helpers/untrusted'))]).toEqual([[], ['young']])
})

test('an entry decided more than a year ago is forgotten with its delivery, a younger one is known', async () => {
  const { home } = await aHomeWithOldBuilds('')
  const [oldest] = readdirSync(join(home, 'ledger/done')).toSorted()
  const then = new Date(Date.now() - 400 * day)
  utimesSync(join(home, 'ledger/done', oldest!), then, then)
  writeFileSync(join(home, 'ledger/2024-01-01.jsonl'), '{}\n')
  await runQuern(home, ['prune'])
  const left = readdirSync(join(home, 'ledger/done'))
  expect(left.filter((name) => name.startsWith(oldest!))).toEqual([])
  expect(left.filter((name) => !name.endsWith('.build'))).toHaveLength(2)
  expect(readdirSync(join(home, 'ledger/delivery'))).toHaveLength(2)
  expect(existsSync(join(home, 'ledger/2024-01-01.jsonl'))).toBe(false)
})
