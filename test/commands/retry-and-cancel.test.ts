import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { userInfo } from 'node:os'
import { expect, test } from 'vitest'
import { aRequest } from '../helpers/a-request.ts'
import { homeWithBuilds } from '../helpers/home-with-builds.ts'
import { runQuern } from '../helpers/run-quern.ts'

const delivered = aRequest({ source: 'github', trusted: false, hook: 'amp_main', delivery: 'd-1' })

test('retry queues the same request as a new entry that names the old build', async () => {
  const { home, queue, ledger, accept, decide } = homeWithBuilds()
  await accept(delivered)
  await decide('failed')
  expect(await runQuern(home, ['retry', 'app/1'])).toMatchObject({ code: 0, stderr: '' })
  const [listed] = await queue.list()
  const { delivery: _, ...kept } = delivered
  expect(listed).toMatchObject({ state: 'waiting', request: { ...kept, retry_of: 'app/1' } })
  expect(listed!.request!.delivery).toBeUndefined()
  expect(ledger.find(listed!.entry)).toMatchObject([{ decision: 'queued', reason: `retry of app/1, asked for by ${userInfo().username}` }])
})

test('two retries are two entries', async () => {
  const { home, queue, accept, decide } = homeWithBuilds()
  await accept(delivered)
  await decide('failed')
  await runQuern(home, ['retry', 'app/1'])
  const { stdout } = await runQuern(home, ['retry', 'app/1', '--json'])
  const listed = await queue.list()
  expect(listed).toHaveLength(2)
  expect(JSON.parse(stdout)).toEqual({ entry: listed[1]!.entry })
})

test('retry of a build that runs is a mistake', async () => {
  const { home, queue, accept, begin } = homeWithBuilds()
  await accept(delivered)
  await begin()
  const { code, stderr } = await runQuern(home, ['retry', 'app/1'])
  expect(code).toBe(2)
  expect(stderr).toContain('build app/1 has not ended (RUNNING)')
  expect((await queue.list()).filter(({ state }) => state === 'waiting')).toEqual([])
})

test('cancel drops a waiting entry and the ledger says who did', async () => {
  const { home, queue, ledger, accept } = homeWithBuilds()
  const [entry, other] = [await accept(delivered), await accept(aRequest())]
  expect(await runQuern(home, ['cancel', entry])).toMatchObject({ code: 0, stdout: `Dropped ${entry} from the queue.\n` })
  expect(JSON.parse((await runQuern(home, ['cancel', other, '--json'])).stdout)).toEqual({ entry: other })
  expect(await queue.list()).toEqual([])
  expect(ledger.find(entry).at(-1)).toMatchObject({ decision: 'cancelled', reason: `dropped from the queue by ${userInfo().username}`, delivery: 'd-1' })
})

test('cancel leaves word for the builder that runs the build, and waits to see it end', async () => {
  const { home, records, accept, begin } = homeWithBuilds()
  await accept(delivered)
  const { claim, record } = await begin()
  const cancelling = runQuern(home, ['cancel', 'app/1'])
  const word = join(records.directory(claim.build), 'cancel')
  while (!existsSync(word)) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(readFileSync(word, 'utf8')).toBe(`cancelled by ${userInfo().username}\n`)
  record.setStatus('CANCELLED')
  expect(await cancelling).toMatchObject({ code: 0, stdout: 'Build app/1 has ended: CANCELLED.\n' })
})

test('cancel ends what a real builder runs, and the builder goes on', async () => {
  const { home, queue, accept } = homeWithBuilds()
  mkdirSync(join(home, 'scripts'))
  writeFileSync(join(home, 'scripts/checkout_repos'), 'true\n')
  writeFileSync(join(home, 'scripts/build_packages'), `[ "$REPOSITORY" = quick ] && exit\ntouch "${home}/started"\nsleep 300\n`)
  await accept(aRequest({ clone_url: '/nowhere' }))
  await accept(aRequest({ repository: 'quick', clone_url: '/nowhere' }))
  const building = runQuern(home, ['build'])
  while (!existsSync(join(home, 'started'))) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(await runQuern(home, ['cancel', 'app/1'])).toMatchObject({ code: 0, stdout: 'Build app/1 has ended: CANCELLED.\n' })
  expect((await building).code).toBe(0)
  expect(await queue.list()).toEqual([])
  expect((await runQuern(home, ['why', 'app/1'])).stdout).toMatch(new RegExp(`^cancelled: cancelled by ${userInfo().username}\n`))
  expect(readFileSync(join(home, 'builds/quick/1/status'), 'utf8')).toBe('PASSED\n')
})

test('cancel of a released entry leaves word for the builder that claims it next', async () => {
  const { home, queue, records, accept, begin } = homeWithBuilds()
  const entry = await accept(delivered)
  const { claim, record } = await begin()
  record.setStatus('QUEUED')
  await queue.release(claim)
  expect(JSON.parse((await runQuern(home, ['cancel', entry, '--json'])).stdout)).toEqual({ build: 'app/1', status: 'QUEUED' })
  expect(existsSync(join(records.directory(claim.build), 'cancel'))).toBe(true)
  expect(await queue.list()).toMatchObject([{ entry, state: 'waiting', build: claim.build }])
})

test('cancel of what has ended or is not there is a mistake', async () => {
  const { home, accept, decide } = homeWithBuilds()
  const entry = await accept(delivered)
  await decide('passed')
  expect(await runQuern(home, ['cancel', 'app/1'])).toMatchObject({ code: 2, stderr: 'quern: build app/1 has ended already: PASSED\n' })
  expect(await runQuern(home, ['cancel', entry])).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no build and no waiting entry') })
})
