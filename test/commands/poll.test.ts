import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Request } from '../../src/model/request.ts'
import { aHome } from '../helpers/a-home.ts'
import { maintainerToken, startFakePatchwork } from '../helpers/fake-patchwork.ts'
import { runQuern } from '../helpers/run-quern.ts'

const bundle = fileURLToPath(new URL('../fixtures/patchwork/mini.bundle', import.meta.url))

async function homeWithPatchwork({ settings = {}, more = '' }: { settings?: Record<string, string>; more?: string } = {}) {
  const fake = await startFakePatchwork({ recorded: true })
  onTestFinished(() => fake.close())
  const home = aHome({ settings: { PATCHWORK_TOKEN: maintainerToken, ...settings } })
  writeFileSync(join(home.home, 'quern.yaml'), `patchwork:\n  - url: ${fake.url}\n    project: ffmpeg\n    token_env: PATCHWORK_TOKEN\n    tree: ${bundle}\n    pipelines: [chunks]\n    pace: 1000\n${more}`)
  return { fake, ...home, poll: (...words: string[]) => runQuern(home.home, ['poll', ...words]) }
}

test('under cron it says nothing, queues what is complete at the tip of the branch, and queues it once', async () => {
  const { poll, fake, list, home } = await homeWithPatchwork()
  const silent = { code: 0, stdout: '', stderr: '' }
  expect(await poll()).toMatchObject(silent)
  const { id } = fake.addSeries({ patches: [{ name: 'area: do it', mail: 'Subject: area: do it\n\nText.\n\ndiff --git a/a b/a\n' }] })

  expect(await poll()).toMatchObject(silent)
  expect(await poll()).toMatchObject(silent)

  const entries = list('queue').filter((name) => name.endsWith('.json'))
  expect(entries).toHaveLength(1)
  const request = JSON.parse(readFileSync(join(home, 'queue', entries[0]!), 'utf8')) as Request
  expect(request).toMatchObject({ repository: 'mini.bundle', commit_id: 'db91e083bcfc7643c5c1d3ea3983474132b8523a', trusted: false, series: { id } })
})

test('quern why tells what became of a series, by its number and by its delivery', async () => {
  const { poll, fake, home } = await homeWithPatchwork()
  await poll()
  const { id } = fake.addSeries({ patches: [{ name: 'area: do it', mail: 'Subject: area: do it\n\nText.\n\ndiff --git a/a b/a\n' }] })
  await poll()
  const { host } = new URL(fake.url)

  for (const name of [`${host}/${id}`, `${host}/${id}/1/chunks`]) expect(await runQuern(home, ['why', name])).toMatchObject({ code: 0, stdout: expect.stringContaining('queued') })
})

test('--json tells the counts of each project, or what stopped its poll, and nothing else', { tags: 'long' }, async () => {
  const { poll, fake } = await homeWithPatchwork()
  await poll()
  fake.addSeries({ patches: [{ name: 'area: do it', mail: 'Subject: area: do it\n\nText.\n\ndiff --git a/a b/a\n' }] })
  const { code, stdout } = await poll('--json')
  expect([code, JSON.parse(stdout)]).toEqual([0, [expect.objectContaining({ url: fake.url, project: 'ffmpeg', queued: 1, superseded: 0 })]])
  await fake.close()
  const failed = await poll('--json')
  expect([failed.code, JSON.parse(failed.stdout)]).toEqual([1, [{ url: fake.url, project: 'ffmpeg', error: expect.any(String) }]])
  expect(await poll('--json', '--watch')).toMatchObject({ code: 2, stdout: '' })
})

test('--since goes back', async () => {
  const { poll, list } = await homeWithPatchwork()

  expect(await poll('--since', '2026-11-20')).toMatchObject({ code: 0 })
  expect(list('queue').filter((name) => name.endsWith('.json')).length).toBeGreaterThan(10)
})

test('a date with a zone, which the server would misread, is refused', async () => {
  const { poll } = await homeWithPatchwork()

  expect(await poll('--since', '2026-11-20T00:00:00Z')).toMatchObject({ code: 2, stderr: expect.stringContaining('without a zone') })
})

test('an outage is no mail from cron each minute; a project that is not there is', async () => {
  const { poll, fake, home } = await homeWithPatchwork()
  fake.troubles.push({ match: /./, times: 100, status: 503, body: 'busy', headers: { 'retry-after': '0' } })
  expect(await poll()).toMatchObject({ code: 1, stdout: '', stderr: '' })
  expect(readFileSync(join(home, 'logs/build.log'), 'utf8')).toContain('503: busy')
  fake.troubles.length = 0

  writeFileSync(join(home, 'quern.yaml'), readFileSync(join(home, 'quern.yaml'), 'utf8').replace('project: ffmpeg', 'project: nope'))
  expect(await poll()).toMatchObject({ code: 1, stderr: expect.stringContaining('has no project "nope"') })
})

test('a token that is named and not set, and a home without Patchwork, are told with the remedy', async () => {
  const { poll, home } = await homeWithPatchwork({ settings: { PATCHWORK_TOKEN: '' } })
  expect(await poll()).toMatchObject({ code: 2, stderr: expect.stringContaining('add export PATCHWORK_TOKEN="…" to environment.sh') })

  writeFileSync(join(home, 'quern.yaml'), '')
  expect(await poll()).toMatchObject({ code: 2, stderr: expect.stringContaining('docs/patchwork.md') })
})

test('a mistake under patchwork: names its line', async () => {
  const { poll } = await homeWithPatchwork({ more: '    each_pach: true\n' })

  expect(await poll()).toMatchObject({ code: 2, stderr: expect.stringMatching(/quern\.yaml:8.*each_pach/) })
})

test('a project that is listed twice is refused: the second one would find all series taken by the first', async () => {
  const { poll, fake, home } = await homeWithPatchwork()
  appendFileSync(join(home, 'quern.yaml'), `  - url: ${fake.url}/\n    project: ffmpeg\n    tree: ${bundle}\n    branch: release\n    pipelines: [chunks]\n`)

  expect(await poll('--since', '2026-01-01', '--json')).toMatchObject({ code: 2, stderr: expect.stringMatching(/quern\.yaml.*expected each project of a server once/) })
})
