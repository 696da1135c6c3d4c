import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { openMirrors } from '../../src/git/mirrors.ts'
import type { Mirror } from '../../src/git/mirror.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { parseRequest, type Series } from '../../src/model/request.ts'
import { applySeries, seriesRef, type Applied, type ApplyOptions } from '../../src/patchwork/apply.ts'
import { openPatchwork } from '../../src/patchwork/client.ts'
import { seriesRequest } from '../../src/patchwork/series-request.ts'
import { startFakePatchwork, type FakePatchwork } from '../helpers/fake-patchwork.ts'
import { fakeSource } from '../helpers/poll-once.ts'
import { gitRepo, gitTestEnvironment, type GitRepo } from '../helpers/git-repo.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const bundle = fileURLToPath(new URL('../fixtures/patchwork/mini.bundle', import.meta.url))
const ids = JSON.parse(readFileSync(fileURLToPath(new URL('../fixtures/patchwork/ids.json', import.meta.url)), 'utf8')) as { series: Record<string, number> }

interface Bench {
  fake: FakePatchwork
  mirror: Mirror
  tip: string
  apply(series: number, changes?: Partial<ApplyOptions>): Promise<Applied>
  show(commit: string, ...format: string[]): string
}

/** The recorded server, and a mirror of the repository that its patches are for; or of another one. */
async function bench(repo?: GitRepo): Promise<Bench> {
  const fake = await startFakePatchwork({ recorded: repo === undefined })
  onTestFinished(() => fake.close())
  const mirrors = openMirrors(join(tempDir(), 'git'), { env: gitWorld(process.env), localPaths: true })
  const mirror = await mirrors.fetchMirror(repo?.path ?? bundle)
  const tip = (await mirror.resolve(repo === undefined ? 'refs/heads/master' : 'refs/heads/main'))!
  const client = openPatchwork({ url: fake.url, project: 'ffmpeg' })
  const git = (...args: string[]) => execFileSync('git', ['-C', mirror.directory, ...args], { env: gitTestEnvironment, encoding: 'utf8' }).trimEnd()
  return {
    fake,
    mirror,
    tip,
    apply: async (id, changes = {}) => applySeries({ client, mirror, series: await seriesOf(fake, id), tip, directory: join(tempDir(), 'trees'), ...changes }),
    show: (commit, ...format) => git('show', '--no-patch', '--encoding=UTF-8', ...format, commit),
  }

  async function seriesOf({ url }: FakePatchwork, id: number): Promise<Series> {
    const source = fakeSource(url, { tree: 'https://git.example.org/mini.git' })
    return parseRequest(seriesRequest(await client.series(id), { source, pipeline: 'chunks', base: tip })).series!
  }
}

const recordedSeries: [string, string[]][] = [
  ['single', ['libmini: add mini_clip64()']],
  ['series3_v2', ['libmini: add mini_abs()', 'libmini: add mini_sign()', 'tests: cover mini_abs() and mini_sign()']],
  ['series3', ['libmini: add mini_abs()', 'libmini: add mini_sign()', 'tests: cover mini_abs() and mini_sign()', 'README: mention the new helpers']],
  ['ooo3', ['libmini: add mini_mul2()', 'libmini: add mini_mul3()', 'libmini: add mini_mul4()']],
  ['breakbuild', ['libmini/clip: clamp the input first']],
  ['nonascii', ['README: añade la sección «Autores» — список авторов']],
  ['attachment', ['README: add a pointer']],
  ['crlf', ['tests/ref/crlf: change a CRLF line']],
  ['binary', ['tests: add a binary sample']],
  ['rename', ['README.md: rename to README']],
  ['mode', ['README.md: make it executable, configure not']],
]

test.each(recordedSeries)('the recorded series %s becomes one commit a patch, in order', async (name, subjects) => {
  const { apply, show, tip, mirror, fake } = await bench()

  const applied = await apply(ids.series[name]!)

  expect(applied).toMatchObject({ kind: 'applied', base: tip })
  expect(applied.patches.map(({ commit }) => show(commit, '--format=%s'))).toEqual(subjects)
  expect(applied.patches.map(({ commit }) => show(commit, '--format=%P'))).toEqual([tip, ...applied.patches.slice(0, -1).map(({ commit }) => commit)])
  for (const { n, commit, tree } of applied.patches) {
    expect(await mirror.resolve(seriesRef({ server: fake.url, id: ids.series[name]! }, n))).toBe(commit)
    expect(show(commit, '--format=%T %cn %ce')).toBe(`${tree} Quern quern@localhost`)
    expect(show(commit, '--format=%cI')).toBe(show(commit, '--format=%aI'))
  }
})

test('equal input gives equal commits', async () => {
  const one = await (await bench()).apply(ids.series['series3']!)
  const two = await (await bench()).apply(ids.series['series3']!)

  expect(two.patches).toEqual(one.patches)
})

test('applied together or one by one, a series gives the same commits', async () => {
  const { apply, fake } = await bench()
  const client = openPatchwork({ url: fake.url, project: 'ffmpeg' })
  // What begins another mail to git, which holds no patch.
  const signed = (mbox: string) => mbox.split(/^(?=From patchwork )/m).map((mail) => `${mail.trimEnd()}\n-- \nAnn\nFrom ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001\nFrom: Ann <ann@example.com>\n\nNo more.\n\n`).join('')
  const oneByOne = { ...client, seriesMbox: async (id: number) => Buffer.from(signed((await client.seriesMbox(id)).toString())) }

  const separate = await apply(ids.series['series3']!, { client: oneByOne })

  expect(separate).toEqual(await apply(ids.series['series3']!))
  expect(separate.patches).toHaveLength(4)
})

test('the author is who wrote the mail, in any alphabet', async () => {
  const { apply, show } = await bench()

  const { patches } = await apply(ids.series['nonascii']!)

  expect(show(patches[0]!.commit, '--format=%an <%ae> %aI')).toBe('Zoë Łukasiewicz-Ñandú <zoe@example.com> 2024-03-09T22:16:00+01:00')
  expect(show(patches[0]!.commit, '--format=%b')).toContain('Größe, naïve, 日本語 🎬')
})

// As Python writes them, which does so for Patchwork: gb2312 and big5 by names of its own, and bytes that are in no charset.
test.each([
  ['=?eucgb2312_cn?b?1cXI/Q==?=', '张三'],
  ['=?big5_tw?b?sWmkVA==?=', '張三'],
  ['=?unknown-8bit?q?J=C3=BCrgen?=', 'Jürgen'],
])('the author is who wrote the mail, by the name %s', async (name, expected) => {
  const repo = gitRepo()
  const start = repo.commit({ file: 'one\n' }, 'start')
  repo.commit({ file: 'two\n' }, 'file: change')
  const mail = mailOf(repo).replace(/^From: .*/m, `From: ${name} <author@example.org>`)
  repo.git('reset', '--quiet', '--hard', start)
  const { apply, fake, show } = await bench(repo)
  const { id } = fake.addSeries({ patches: [{ name: 'file: change', mail }] })

  const { patches } = await apply(id)

  expect(patches.map(({ commit }) => show(commit, '--format=%an <%ae>'))).toEqual([`${expected} <author@example.org>`])
})

test('where a power cut emptied a blob of the mirror no patch is told as one that does not apply, and the next fetch mends the mirror', async () => {
  const repo = gitRepo()
  repo.commit({ other: 'one\n' }, 'start')
  const { apply, fake, mirror } = await bench(repo)
  const tip = repo.commit({ file: 'first\n' }, 'file: add')
  repo.commit({ file: 'second\n' }, 'file: change')
  const mail = mailOf(repo)
  repo.git('reset', '--quiet', '--hard', tip)
  const mirrors = openMirrors(dirname(mirror.directory), { env: gitWorld(process.env), localPaths: true })
  await mirrors.fetchMirror(repo.path)
  const blob = repo.git('rev-parse', `${tip}:file`)
  const object = join(mirror.directory, 'objects', blob.slice(0, 2), blob.slice(2))
  chmodSync(object, 0o644)
  writeFileSync(object, Buffer.alloc(20))
  const { id } = fake.addSeries({ patches: [{ name: 'file: change', mail }] })

  await expect(apply(id, { tip })).rejects.toThrow(/is corrupt|inflate: data stream error/)

  await mirrors.fetchMirror(repo.path, { commit: tip, refs: ['refs/heads/main'] })
  expect(await apply(id, { tip })).toMatchObject({ kind: 'applied' })
})

test('a binary patch that was mangled on its way does not apply, and casts no doubt on the mirror', async () => {
  const repo = gitRepo()
  repo.commit({ other: 'one\n' }, 'start')
  const { apply, fake, mirror } = await bench(repo)
  repo.commit({ file: '\0'.repeat(2000) }, 'file: add')
  const mail = mailOf(repo).replace(/^(literal \d+\n.)....../m, '$1000000')
  const { id } = fake.addSeries({ patches: [{ name: 'file: add', mail }] })

  expect(await apply(id)).toMatchObject({ kind: 'not-applied', failed: { reason: expect.stringContaining('corrupt binary patch') } })
  expect(existsSync(join(mirror.directory, 'quern-fetching'))).toBe(false)
})

test('carriage returns that the mbox lost are taken from the diff', async () => {
  const { apply, mirror } = await bench()

  const { patches } = await apply(ids.series['crlf']!)

  expect(await mirror.readFile(patches[0]!.commit, 'tests/ref/crlf')).toBe('one\r\ntwo and a half\r\nthree\r\n')
})

test('modes, renames and binary files arrive as they were sent', async () => {
  const { apply, show, mirror } = await bench()
  const [mode, rename, binary] = [await apply(ids.series['mode']!), await apply(ids.series['rename']!), await apply(ids.series['binary']!)].map(({ patches }) => patches[0]!.commit)

  expect(show(mode!, '--patch', '--format=')).toMatch(/old mode 100644\nnew mode 100755/)
  expect(show(rename!, '--patch', '--format=', '--find-renames')).toContain('rename to README')
  expect(await mirror.changedFiles(`${binary}^`, binary!)).toHaveLength(1)
})

test('what does not apply says which patch, with the conflict', async () => {
  const { apply, tip, mirror, fake } = await bench()

  const applied = await apply(ids.series['noapply']!)

  expect(applied).toEqual({ kind: 'not-applied', base: tip, patches: [], failed: { id: 5, n: 1, reason: 'conflict in libmini/clip.c' } })
  expect(await mirror.resolve(seriesRef({ server: fake.url, id: 3 }, 1))).toBeUndefined()
})

test('of a series that depends on another one it is told that this was not applied first', async () => {
  const repo = gitRepo()
  repo.commit({ file: 'one\n' }, 'start')
  repo.git('checkout', '--quiet', '--detach')
  repo.commit({ file: 'two\n' }, 'file: two')
  repo.commit({ file: 'three\n' }, 'file: three')
  const mail = mailOf(repo)
  const { apply, fake } = await bench(repo)
  const patches = [{ name: '[1/1] file: three', mail }]
  const told = [{ patches }, { patches: [{ ...patches[0]!, mail: mail.replace('\n---\n', '\n---\nDepends-on: series-7 ("file: zwölf")\n') }] }, { patches, cover: { name: '[0/1] More', content: 'Text.\n\ndepends-on: https://ci.example.org/list/?series=7\u202e\n' } }]
  const reasons = await Promise.all(told.map(async (series) => await apply(fake.addSeries(series).id)))

  const failed = (reason: string) => ({ kind: 'not-applied', failed: { n: 1, reason } })
  expect(reasons).toMatchObject([
    failed('conflict in file'),
    failed('it says "Depends-on: series-7 ("file: zwölf")", which is not applied first here; conflict in file'),
    failed('it says "Depends-on: https://ci.example.org/list/?series=7\ufffd", which is not applied first here; conflict in file'),
  ])
})

test('the patches before the one that does not apply are there', async () => {
  const { apply } = await bench()

  const applied = await apply(ids.series['incomplete']!)

  expect(applied).toMatchObject({ kind: 'not-applied', patches: [{ n: 1 }], failed: { n: 3, reason: expect.stringContaining('libmini/mini.h') } })
})

test('a pull request holds no change', async () => {
  const { apply, tip } = await bench()

  expect(await apply(ids.series['pullreq']!)).toMatchObject({ kind: 'applied', patches: [{ commit: tip, empty: expect.any(String) }] })
})

test('excluded paths are left out, and a patch of nothing else is empty', async () => {
  const { apply, mirror } = await bench()
  const partly = await apply(ids.series['single']!, { exclude: ['libmini/mini.h'] })
  const wholly = await apply(ids.series['attachment']!, { exclude: ['*.md'] })

  expect(await mirror.changedFiles(`${partly.patches[0]!.commit}^`, partly.patches[0]!.commit)).toEqual(['libmini/clip64.c', 'tests/mini_test.c', 'tests/ref/mini'])
  expect(wholly).toMatchObject({ kind: 'applied', patches: [{ empty: 'the patch changes nothing but excluded paths' }] })
})

/** A repository with a file of forty lines, and mails of changes made in it by real git format-patch. */
function lines(change: Record<number, string> = {}): string {
  return Array.from({ length: 40 }, (_, index) => `${change[index + 1] ?? `line ${index + 1}`}\n`).join('')
}

function mailOf(repo: GitRepo, ...options: string[]): string {
  return repo.git('format-patch', '--stdout', '-1', ...options)
}

test('a patch against an older state is merged', async () => {
  const repo = gitRepo()
  const old = repo.commit({ file: lines() }, 'start')
  repo.git('checkout', '--quiet', '--detach')
  repo.commit({ file: lines({ 20: 'theirs' }) }, 'file: theirs')
  const mail = mailOf(repo)
  repo.git('checkout', '--quiet', 'main')
  repo.commit({ file: lines({ 18: 'ours' }) }, 'file: ours')
  const { apply, fake, mirror } = await bench(repo)
  // The blob that the patch was made on must be in the mirror for a merge.
  expect(await mirror.hasCommit(old)).toBe(true)
  const { id } = fake.addSeries({ patches: [{ name: 'file: theirs', mail }] })

  const applied = await apply(id)

  expect(applied.kind).toBe('applied')
  expect(await mirror.readFile(applied.patches[0]!.commit, 'file')).toBe(lines({ 18: 'ours', 20: 'theirs' }))
})

test('a base-commit of the branch is the base; one that the branch does not have is not', async () => {
  const repo = gitRepo()
  const old = repo.commit({ file: 'one\n' }, 'start')
  repo.git('checkout', '--quiet', '--detach')
  repo.commit({ other: 'two\n' }, 'other: add it')
  const mail = mailOf(repo, `--base=${old}`)
  repo.git('branch', 'private')
  const secret = repo.git('rev-parse', 'private')
  repo.git('checkout', '--quiet', 'main')
  const tip = repo.commit({ file: 'three\n' }, 'file: more')
  const { apply, fake } = await bench(repo)
  const good = fake.addSeries({ patches: [{ name: 'other: add it', mail }] })
  const bad = fake.addSeries({ patches: [{ name: 'other: add it', mail: mail.replace(`base-commit: ${old}`, `base-commit: ${secret}`) }] })
  const inCover = fake.addSeries({ cover: { name: '[0/1] More', content: `Text.\n\nbase-commit: ${old}\n` }, patches: [{ name: '[1/1] other: add it', mail: mail.replace(/^base-commit.*\n/m, '') }] })

  expect((await apply(good.id)).base).toBe(old)
  expect((await apply(bad.id)).base).toBe(tip)
  expect((await apply(inCover.id)).base).toBe(old)
})

test.each([
  ['the head of another mail', 'From patchwork Sat Nov 21 09:00:00 2026\nX-Patchwork-Id: 99\nSubject: not mine\n\nQuoted.'],
  ['a line that could begin one', 'Seen in an mbox:\n\nFrom patchwork Sat Nov 21 09:00:00 2026\n\nis how its mails begin.'],
  ['such lines quoted', '>From ann@example.org Sat Nov 21 09:00:00 2026\n>>From ann@example.org Sat Nov 21 09:00:00 2026\nFrom here on'],
])('a message that holds %s is one, word for word, and its patch is applied', async (_, quoted) => {
  const repo = gitRepo()
  const start = repo.commit({ file: 'one\n' }, 'start')
  repo.commit({ file: 'two\n' }, `file: change\n\n${quoted}`)
  repo.commit({ file: 'three\n' }, `file: again\n\n${quoted}`)
  const mails = [mailOf(repo, 'HEAD^'), mailOf(repo)]
  repo.git('reset', '--quiet', '--hard', start)
  const { apply, fake, mirror, show } = await bench(repo)
  const { id } = fake.addSeries({ patches: mails.map((mail, index) => ({ name: `[${index + 1}/2] file: change`, mail })) })

  const { patches } = await apply(id)

  expect(await Promise.all(patches.map(({ commit }) => mirror.readFile(commit, 'file')))).toEqual(['two\n', 'three\n'])
  expect(patches.map(({ commit }) => show(commit, '--format=%an: %s'))).toEqual(['Ada Author: file: change', 'Ada Author: file: again'])
  expect(patches.map(({ commit }) => show(commit, '--format=%b'))).toEqual([quoted, quoted])
})

test.each([
  ['after a word', 'Please take this:\n\n', 'Ada Author: file: change'],
  ['as a mail program quotes it', '>', 'Ada Author: file: change'],
])('a whole format-patch in a mail, %s, is the patch, with its own author and message', async (_, before, expected) => {
  const repo = gitRepo()
  const start = repo.commit({ file: 'one\n' }, 'start')
  repo.commit({ file: 'two\n' }, 'file: change')
  const mail = mailOf(repo)
  repo.git('reset', '--quiet', '--hard', start)
  const { apply, fake, mirror, show } = await bench(repo)
  const { id } = fake.addSeries({ patches: [{ name: 'mine', mail: `From: Bob <bob@example.org>\nDate: Sat, 21 Nov 2026 09:00:00 +0000\nSubject: [PATCH] mine\n\n${before}${mail}` }] })

  const { patches } = await apply(id)

  expect(await mirror.readFile(patches[0]!.commit, 'file')).toBe('two\n')
  expect(show(patches[0]!.commit, '--format=%an: %s')).toBe(expected)
})

test('a page in place of a mail is no patch that does not apply', async () => {
  const { apply, fake } = await bench()
  fake.troubles.push({ match: /mbox/, times: 2, status: 200, headers: { 'content-type': 'text/html' }, body: '<html><title>Back in a minute</title></html>' })

  await expect(apply(ids.series['single']!)).rejects.toThrow(/expected the mail of patch \d+, got text\/html: <html>/)
})

test('nothing of a mail runs or leaves its tree', async () => {
  const repo = gitRepo()
  const marker = join(tempDir(), 'ran')
  repo.commit({ file: 'one\n' }, 'start')
  repo.commit({ '.gitattributes': '* filter=evil diff=evil merge=evil\n', '.gitconfig': `[filter "evil"]\n\tclean = touch ${marker}\n`, file: 'two\n' }, 'file: attributes')
  const attributes = mailOf(repo)
  repo.git('reset', '--quiet', '--hard', 'HEAD^')
  const { apply, fake, mirror } = await bench(repo)
  const hook = `Subject: hook\nFrom: E <e@example.com>\nDate: Sat, 9 Mar 2024 17:04:00 +0100\n\nx\n---\n\ndiff --git a/.git/hooks/post-applypatch b/.git/hooks/post-applypatch\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/post-applypatch\n@@ -0,0 +1,2 @@\n+#!/bin/sh\n+touch ${marker}\n`
  const outside = hook.replaceAll('.git/hooks/post-applypatch', '../../outside')
  const series = [attributes, hook, outside].map((mail) => fake.addSeries({ patches: [{ name: 'evil', mail }] }).id)

  const applied = [await apply(series[0]!), await apply(series[1]!), await apply(series[2]!)]

  expect(applied.map(({ kind }) => kind)).toEqual(['applied', 'not-applied', 'not-applied'])
  expect(existsSync(marker)).toBe(false)
  expect(existsSync(join(mirror.directory, 'hooks/post-applypatch'))).toBe(false)
})

test('a tree through a link that a patch made is refused', async () => {
  const repo = gitRepo()
  repo.commit({ file: 'one\n' }, 'start')
  const target = tempDir()
  const head = 'From: E <e@example.com>\nDate: Sat, 9 Mar 2024 17:04:00 +0100\n'
  const link = `Subject: link\n${head}\nx\n---\n\ndiff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+${target}\n\\ No newline at end of file\n`
  const through = `Subject: through\n${head}\nx\n---\n\ndiff --git a/link/file b/link/file\nnew file mode 100644\n--- /dev/null\n+++ b/link/file\n@@ -0,0 +1 @@\n+written\n`
  const { apply, fake } = await bench(repo)
  const { id } = fake.addSeries({ patches: [{ name: '[1/2] link', mail: link }, { name: '[2/2] through', mail: through }] })

  expect(await apply(id)).toMatchObject({ kind: 'not-applied', patches: [{ n: 1 }], failed: { n: 2 } })
  expect(existsSync(join(target, 'file'))).toBe(false)
})

test('the trees are removed', async () => {
  const { apply } = await bench()
  const directory = join(tempDir(), 'trees')

  await apply(ids.series['noapply']!, { directory })

  expect(existsSync(directory)).toBe(false)
})

test('a git that was killed while it kept the commits of a series does not stand in the way', async () => {
  const { apply, mirror, fake } = await bench()
  const ref = seriesRef({ server: fake.url, id: ids.series['single']! }, 1)
  mkdirSync(dirname(join(mirror.directory, ref)), { recursive: true })
  writeFileSync(join(mirror.directory, `${ref}.lock`), '')

  const { patches } = await apply(ids.series['single']!)

  expect(await mirror.resolve(ref)).toBe(patches[0]!.commit)
})
