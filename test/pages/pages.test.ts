import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { readBuild } from '../../src/pages/read-build.ts'
import { readRun } from '../../src/pages/read-run.ts'
import { textReport } from '../../src/report/text.ts'
import { reportSource } from '../../src/report/report-source.ts'
import { aSite, runPath, wordsOf } from '../helpers/a-site.ts'
import { failedRun, plannedRun } from '../helpers/failed-build.ts'

const error = 'cc -c a.c\na.c:3:5: error: expected expression\nmake: *** [a.o] Error 1\n'
const three = {
  result: { blame: { class: 'new', reason: 'its parent is green' } as const, runs: [failedRun('lint', { verdict: 'passed', code: 0, note: '81 %' }), failedRun('test', { blame: { class: 'new', reason: 'lint is green' } }), { name: 'publish', verdict: 'skipped', reason: 'it needs test, which failed' } as const] },
  plan: { pipeline: 'job:app', why: 'the hook names it', runs: [plannedRun('lint'), plannedRun('test', { needs: ['lint'], image: 'gcc:14', executor: 'container' as const }), plannedRun('publish', { needs: ['test'] })] },
  request: { message: 'Improve arithmetic\n\nSigned-off-by: Ada <ada@example.org>', author_name: 'Ada Lovelace', author_email: 'ada@example.org' },
  left: { lint: { log: 'fine\n' }, test: { log: error, artifacts: [{ path: 'config.log', size: 2048 }] } },
}

test('a record that is removed while it is read is shown as far as it was read, or is not there', async () => {
  const site = await aSite()
  await site.decide(three)
  const record = join(site.home, 'builds/acme~app/7')
  const read = [() => readBuild(site.home, { pipeline: 'acme~app', number: 7 }), () => readRun(site.home, { pipeline: 'acme~app', number: 7 }, 'test')]
  for (const turns of Array(30).keys()) {
    for (const page of read) {
      const shown = page()
      for (let turn = 0; turn < turns; turn++) await setImmediate()
      renameSync(record, `${record}.gone`)
      expect([undefined, 'acme~app']).toContain((await shown)?.record.build.pipeline)
      renameSync(`${record}.gone`, record)
    }
  }
})

describe('the page of a build', () => {
  test('tells its verdict, of what it is, the first error, its runs and what happened', async () => {
    const site = await aSite()
    await site.decide(three)
    const response = await site.get('/builds/acme~app/7')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=UTF-8')
    const page = await response.text()
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">\n/)
    expect(page).toContain('<title>failed: acme~app/7 – Mill</title>')
    const words = wordsOf(page)
    for (const said of [
      'failed acme~app/7',
      'blame new: its parent is green',
      'repository acme/app ref refs/heads/main commit 0123456789abcdef0123456789abcdef01234567 message Improve arithmetic author Ada Lovelace pipeline job:app: the hook names it started 2026-01-02 03:04:05 UTC ended 2026-01-02 03:05:17 UTC took 1:12',
      'First error of test (a.c:3) a.c:3:5: error: expected expression make: *** [a.o] Error 1',
      'Run Verdict Took Needs Note lint passed 1:10 81 % test failed 1:10 lint new: lint is green publish skipped test it needs test, which failed',
      'Build acme~app/7 begins.',
    ]) expect(words).toContain(said)
    expect(words).not.toContain('example.org')
    for (const run of ['lint', 'test', 'publish']) expect(page).toContain(`<th scope="row"><a href="${runPath('acme~app/7', run)}">${run}</a></th>`)
  })

  test('tells our fault once', async () => {
    const site = await aSite()
    const fault = { verdict: 'errored', reason: 'no such image', blame: { class: 'infra', reason: 'no such image' } } as const
    await site.decide({ ...three, result: { ...fault, runs: [failedRun('lint', { verdict: 'passed', code: 0 }), failedRun('test', fault)] }, left: {} })
    const words = wordsOf(await site.text('/builds/acme~app/7'))
    expect(words).toMatch(/ because no such image blame infra repository .* test errored 1:10 lint no such image; infra /)
    expect(wordsOf(await site.text(runPath('acme~app/7', 'test')))).toContain('because no such image blame infra ')
  })

  test('says what the text report says, in the same words', async () => {
    const site = await aSite()
    const result = await site.decide(three)
    const report = textReport(await reportSource({ result, directory: join(site.home, 'builds/acme~app/7') }))
    const words = wordsOf(await site.text('/builds/acme~app/7'))
    // The page names a run by a link in place of its id.
    const said = report.replace(/\[\w{8}\]/g, ' ').replace(/[╔┏┃┗━🟢🔴⚪:[\]()]|\bsha\b/gu, ' ')
    for (const word of said.split(/\s+/)) expect(words).toContain(word)
  })

  test('that has one run only shows the end of its log', async () => {
    const site = await aSite()
    await site.decide({ left: { build: { log: error } } })
    const page = await site.text('/builds/acme~app/7')
    expect(wordsOf(page)).toContain('Console log The whole log (70 bytes). cc -c a.c a.c:3:5: error: expected expression')
    expect(page).toContain('<a href="/builds/acme~app/7/build/console.log">')
  })

  test('that runs shows how far it is, at every look', async () => {
    const site = await aSite()
    const plan = { runs: [plannedRun('lint'), plannedRun('make [1/2]', { needs: ['lint'] }), plannedRun('test', { needs: ['make [1/2]'] })] }
    const record = await site.begin({ plan, left: { lint: { status: 'PASSED' } } })
    expect(wordsOf(await site.text('/builds/acme~app/7'))).toMatch(/running acme~app\/7 It has not ended\. .* lint passed 0:00 make \[1\/2\] queued lint test queued make \[1\/2\]/)
    const run = record.openRun({ name: 'make [1/2]', params: {} })
    writeFileSync(join(run.directory, 'console.log'), 'compiling\n')
    record.openRun({ name: 'lint~2', params: {} })
    const page = await site.text('/builds/acme~app/7')
    expect(wordsOf(page)).toMatch(/make \[1\/2\] running lint test queued make \[1\/2\] lint-2~\w+ running/)
    for (const [, link] of page.matchAll(/<th scope="row"><a href="([^"]+)">/g)) expect((await site.get(link!)).status, link).toBe(200)
    expect(wordsOf(await site.text(runPath('acme~app/7', 'make [1/2]')))).toMatch(/running make \[1\/2\] It has not ended.* Console log .* compiling/)
    expect(wordsOf(await site.text(runPath('acme~app/7', 'test')))).toContain('queued test It has not ended.')
  })

  test('that was put back, or claimed only just now, is queued', async () => {
    const site = await aSite()
    const record = await site.begin({})
    record.setStatus('QUEUED')
    expect(wordsOf(await site.text('/builds/acme~app/7'))).toContain('queued acme~app/7')
  })

  test('of a series names it and its author, of a pull request the branch that it goes into', async () => {
    const site = await aSite()
    const patch = { id: 1, msgid: '<a@example.org>', name: 'a', n: 1 }
    await site.decide({ request: { series: { server: 'https://patchwork.example.org', project: 'app', id: 4711, version: 2, name: 'app: count', submitter: { name: 'Bob Example', email: 'bob@example.org' }, patches: [patch], each_patch: true } } })
    expect(wordsOf(await site.text('/builds/acme~app/7'))).toContain('author Bob Example series 4711, version 2: app: count (1 patch)')
    await site.decide({ number: 8, request: { pull_request: { number: 12, base_ref: 'refs/heads/main', url: 'javascript:alert(1)' }, retry_of: 'acme~app/7' } })
    const page = await site.text('/builds/acme~app/8')
    expect(wordsOf(page)).toContain('pull request 12, into main retry of acme~app/7')
    expect(page).toContain('<a href="/builds/acme~app/7">acme~app/7</a>')
    expect(page).not.toContain('javascript')
  })

  test('of a job that was started for itself names no commit', async () => {
    const site = await aSite()
    await site.decide({ request: { source: 'command', trusted: true, ref: 'refs/jobs/nightly' } })
    expect(wordsOf(await site.text('/builds/acme~app/7'))).not.toMatch(/ref|commit 0123/)
  })

  test('whose result is replaced by a new attempt runs again', async () => {
    const site = await aSite()
    await site.decide({ left: { build: { log: error } } })
    const directory = join(site.home, 'builds/acme~app/7')
    renameSync(join(directory, 'result.json'), join(directory, 'old.json'))
    writeFileSync(join(directory, 'status'), 'RUNNING\n')
    expect(wordsOf(await site.text('/builds/acme~app/7'))).toContain('running acme~app/7')
  })

  test('is there for a torn or half-written record, too, or says that there is nothing', async () => {
    const site = await aSite()
    await site.decide({ left: { build: { log: error } } })
    const directory = join(site.home, 'builds/acme~app/7')
    for (const name of ['plan.json', 'result.json', 'runs/build/error.json']) writeFileSync(join(directory, name), '{"runs": [')
    expect((await site.get('/builds/acme~app/7')).status).toBe(200)
    expect((await site.get('/builds/acme~app/7/build')).status).toBe(200)
    writeFileSync(join(directory, 'request.json'), '{')
    expect((await site.get('/builds/acme~app/7')).status).toBe(404)
    expect(site.errors).toEqual([])
  })

  test.each(['', 'null', '[]', '{}', '7', '"x"'])('is there where files of its record hold %j', async (text) => {
    const site = await aSite()
    await site.decide({ left: { build: { log: error } } })
    for (const name of ['plan.json', 'result.json', 'runs/build/error.json', 'runs/build/artifacts.json']) {
      writeFileSync(join(site.home, 'builds/acme~app/7', name), text)
      for (const path of ['', '/build']) expect((await site.get(`/builds/acme~app/7${path}`)).status, name).toBe(200)
    }
    expect(site.errors).toEqual([])
  })

  test('with more runs than fit lists a thousand and says how many more there are', async () => {
    const site = await aSite()
    const runs = Array.from({ length: 2000 }, (_, index) => failedRun(`run ${index}`, { verdict: 'passed' }))
    await site.decide({ result: { runs } })
    const page = await site.text('/builds/acme~app/7')
    expect(page.match(/<th scope="row">/g)).toHaveLength(1000)
    expect(wordsOf(page)).toContain('1000 more runs are not listed here.')
    expect((await site.get(runPath('acme~app/7', 'run 1999'))).status).toBe(200)
    const plan = { runs: runs.map(({ name }) => plannedRun(name)) }
    await site.begin({ number: 8, plan })
    expect((await site.text('/builds/acme~app/8')).match(/<span class="verdict queued">/g)).toHaveLength(1000)
  })
})

describe('the page of a run', () => {
  test('tells its verdict, what it needs, its first error, what it left and the end of its log', async () => {
    const site = await aSite()
    await site.decide(three)
    const page = await site.text(runPath('acme~app/7', 'test'))
    expect(page).toContain('<title>failed: test – acme~app/7 – Mill</title>')
    const words = wordsOf(page)
    for (const said of [
      'failed test blame new: lint is green exit code 2 repository acme/app ref refs/heads/main commit 0123456789abcdef0123456789abcdef01234567 needs lint executor container gcc:14 started 2026-01-02 03:04:06 UTC ended 2026-01-02 03:05:16 UTC took 1:10',
      'First error of test (a.c:3) a.c:3:5: error: expected expression',
      'Artifacts File Size config.log 2.0 KiB',
      'Console log The whole log (70 bytes). cc -c a.c',
    ]) expect(words).toContain(said)
    expect(page).toContain('<nav aria-label="Where you are"><a href="/builds/acme~app/7">acme~app/7</a></nav>')
    expect(page).toContain(`<a href="${runPath('acme~app/7', 'lint')}">lint</a>`)
  })

  test('that was skipped says why, and that was taken from another build, from which', async () => {
    const site = await aSite()
    await site.decide({ ...three, result: { runs: [failedRun('lint', { verdict: 'passed', reused: 'other/3', reused_run: 'lint [1/2]' }), ...three.result.runs.slice(1)] } })
    expect(wordsOf(await site.text(runPath('acme~app/7', 'publish')))).toMatch(/skipped publish because it needs test, which failed .* needs test /)
    expect(await site.text(runPath('acme~app/7', 'lint'))).toContain(`<dd><a href="${runPath('other/3', 'lint [1/2]')}">other/3</a></dd>`)
  })

  test('shows the last 64 KiB of a long log, from a whole line on', async () => {
    const site = await aSite()
    const log = Array.from({ length: 100_000 }, (_, index) => `line ${index}\n`).join('')
    await site.decide({ left: { build: { log } } })
    const page = await site.text('/builds/acme~app/7/build')
    expect(page).toMatch(/<pre>line \d+\n/)
    expect(page).toContain('line 99999<span id="end"></span></pre>')
    expect(page).not.toContain('line 90000\n')
    expect(wordsOf(page).slice(0, 5000)).toMatch(/The whole log \(1\.0 MiB\); these are its last 64 KiB\. To its end/)
    expect(page.length).toBeLessThan(80_000)
  })

  test('reads logs in Latin-1 and UTF-16, with colours and progress bars', async () => {
    const site = await aSite()
    await site.decide({ left: { build: { log: Buffer.from('caf\xe9\n', 'latin1') } } })
    expect(await site.text('/builds/acme~app/7/build')).toContain('<pre>café<')
    await site.decide({ number: 8, left: { build: { log: Buffer.from('\ufeffgrüße\n', 'utf16le') } } })
    expect(await site.text('/builds/acme~app/8/build')).toContain('grüße<')
    await site.decide({ number: 9, left: { build: { log: '1 %\r2 %\r\u001b[31m100 %\u001b[0m\n' } } })
    expect(await site.text('/builds/acme~app/9/build')).toContain('<pre>100 %<')
  })

  test('says where there are more artifacts than fit', async () => {
    const site = await aSite()
    const artifacts = (count: number, path: string) => Array.from({ length: count }, (_, index) => ({ path: `${path}${index}`, size: 1 }))
    await site.decide({ left: { build: { artifacts: artifacts(300, 'file') } } })
    expect(wordsOf(await site.text('/builds/acme~app/7/build'))).toContain('100 more are not listed here.')
    await site.decide({ number: 8, left: { build: { artifacts: artifacts(3000, 'x'.repeat(900)) } } })
    expect(wordsOf(await site.text('/builds/acme~app/8/build'))).toContain('Artifacts There are too many to be listed here.')
  })
})
