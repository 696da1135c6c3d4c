import { armFault, disarmFault } from '../helpers/fault.mjs'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, linkSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fastGlob from 'fast-glob'
import { expect, onTestFinished, test } from 'vitest'
import { ArtifactError, keepArtifacts } from '../../src/record/artifacts.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const shown = (path: string) => path

function aRun() {
  const place = tempDir()
  const [tree, archive, record, outside] = ['tree', 'archive', 'record', 'outside'].map((name) => join(place, name)) as [string, string, string, string]
  for (const path of [tree, archive, record, outside]) mkdirSync(path)
  writeFileSync(join(outside, 'secret.txt'), 'not-a-real-secret')
  return { tree, archive, record, outside, kept: () => fastGlob.sync('**', { cwd: record, dot: true, ignore: ['artifacts.json'] }).toSorted() }
}

test('keeps what the globs name and all of $ARCHIVE_ROOT, with sizes', async () => {
  const { tree, archive, record, kept } = aRun()
  mkdirSync(join(tree, 'dist'))
  writeFileSync(join(tree, 'dist/app.tar'), 'app')
  writeFileSync(join(tree, 'notes.md'), 'notes')
  writeFileSync(join(archive, '.coverage'), '80 %')
  await keepArtifacts(record, { tree, globs: ['dist/*.tar'], archive, limit: 1000, shown })
  expect(kept()).toEqual(['artifacts/.coverage', 'artifacts/dist/app.tar'])
  expect(JSON.parse(readFileSync(join(record, 'artifacts.json'), 'utf8'))).toEqual([{ path: 'dist/app.tar', size: 3 }, { path: '.coverage', size: 4 }])
})

test('takes nothing through a link, whether the file, a directory or the whole archive is one', async () => {
  const { tree, archive, record, outside, kept } = aRun()
  symlinkSync(join(outside, 'secret.txt'), join(tree, 'file.txt'))
  symlinkSync(outside, join(tree, 'directory'))
  symlinkSync(outside, join(archive, 'more'))
  symlinkSync('/etc/passwd', join(archive, 'passwd'))
  await keepArtifacts(record, { tree, globs: ['*.txt', 'directory/*', 'directory/secret.txt', '../outside/*', `${outside}/*`, '**'], archive, limit: 1000, shown })
  expect(kept()).toEqual([])
})

test('takes nothing where the job put links in the place of its tree and its archive', async () => {
  const { tree, archive, record, outside, kept } = aRun()
  for (const path of [tree, archive]) {
    rmdirSync(path)
    symlinkSync(outside, path)
  }
  await keepArtifacts(record, { tree, globs: ['**'], archive, limit: 1000, shown })
  expect(kept()).toEqual([])
})

test('a repository’s own history is no artifact', async () => {
  const { tree, record, kept } = aRun()
  mkdirSync(join(tree, '.git'))
  writeFileSync(join(tree, '.git/config'), '')
  writeFileSync(join(tree, 'a'), '')
  await keepArtifacts(record, { tree, globs: ['**', '.git/config', '.git/*'], archive: undefined, limit: 1000, shown })
  expect(kept()).toEqual(['artifacts/a'])
})

test('5 GB over the limit are refused by their size, before anything is copied', async () => {
  const { tree, record, kept } = aRun()
  writeFileSync(join(tree, 'huge.img'), '')
  truncateSync(join(tree, 'huge.img'), 5 * 1024 ** 3)
  await expect(keepArtifacts(record, { tree, globs: ['*'], archive: undefined, limit: 1024 ** 3, shown })).rejects.toThrow('its artifacts are 5120 MiB, and at most 1024 MiB are kept')
  expect(kept()).toEqual([])
})

test('more files than are kept are refused by their number', async () => {
  const { tree, record } = aRun()
  writeFileSync(join(tree, '0'), '')
  for (let name = 1; name <= 10_000; name++) linkSync(join(tree, '0'), join(tree, String(name)))
  await expect(keepArtifacts(record, { tree, globs: ['*'], archive: undefined, limit: 1000, shown })).rejects.toThrow('it left more than the 10000 files that are kept')
})

test('globs that take too long to hold against the files are the job’s fault', async () => {
  const { tree, record, kept } = aRun()
  const directory = join(tree, ...Array.from({ length: 14 }, () => 'a'.repeat(200)))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'a'.repeat(200)), '')
  const glob = ['**', ...Array.from({ length: 8 }, () => `*${'a'.repeat(100)}`)].join('/')
  await expect(keepArtifacts(record, { tree, globs: Array.from({ length: 150 }, (_, index) => `${glob}b${index}`), archive: undefined, limit: 1000, shown })).rejects.toThrow(ArtifactError)
  expect(kept()).toEqual([])
})

test('a file that its job marked as set-user-ID is nobody’s set-user-ID program in the record', async () => {
  const { tree, record } = aRun()
  writeFileSync(join(tree, 'shell'), '')
  chmodSync(join(tree, 'shell'), 0o6755)
  await keepArtifacts(record, { tree, globs: ['*'], archive: undefined, limit: 1000, shown })
  expect(statSync(join(record, 'artifacts/shell')).mode & 0o7777).toBe(0o755)
})

test('a path so long that the record could not be moved any more is refused', async () => {
  const { tree, record, kept } = aRun()
  const directory = join(tree, ...Array.from({ length: 15 }, () => 'd'.repeat(100)))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'file'), '')
  await expect(keepArtifacts(record, { tree, globs: ['**'], archive: undefined, limit: 1000, shown })).rejects.toThrow('whose path is longer than the 1000 bytes that are kept')
  expect(kept()).toEqual([])
})

test('a file in the way of a directory is the job’s fault, and nothing is kept by halves', async () => {
  const { tree, archive, record, kept } = aRun()
  writeFileSync(join(tree, 'result'), '')
  mkdirSync(join(archive, 'result'))
  writeFileSync(join(archive, 'result/file'), '')
  await expect(keepArtifacts(record, { tree, globs: ['*'], archive, limit: 1000, shown })).rejects.toMatchObject({ name: 'ArtifactError', message: expect.stringContaining('it left result/file as an artifact, which cannot be kept (EEXIST)') })
  expect(kept()).toEqual([])
})

const hostile = {
  'stars that fit a name in millions of ways': [`${'*a'.repeat(20)}b`],
  'stars that fit a path in millions of ways': [`${'**/a*/'.repeat(20)}b`],
  'groups within groups': ['+(+(+(a|aa)|a)|a)b', `@(${'a?'.repeat(50)})b`],
}

test.each(Object.entries(hostile))('globs of a hostile job take no time: %s', async (_, globs) => {
  const { tree, record } = aRun()
  const directory = join(tree, ...Array.from({ length: 40 }, () => 'a'.repeat(60)))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(tree, 'a'.repeat(200)), '')
  writeFileSync(join(directory, 'a'.repeat(200)), '')
  expect(await keepArtifacts(record, { tree, globs, archive: undefined, limit: 1000, shown })).toEqual({ artifacts: [], nameless: [] })
})

test.each(['{1..99}{1..99}{1..99}{1..99}{1..99}', '{a,b}'.repeat(60), '{1..999999}'])('globs whose braces stand for more than memory holds are refused: %s', async (glob) => {
  const { tree, record } = aRun()
  await expect(keepArtifacts(record, { tree, globs: [glob], archive: undefined, limit: 1000, shown })).rejects.toThrow('more than 200 globs')
})

test('of globs that are too many no more are written out than it takes to know', async () => {
  const { tree, record } = aRun()
  let read = 0
  const globs = new Proxy(Array<string>(100_000).fill('{1..99}'), { get: (all, key) => (typeof key === 'string' && /^\d+$/.test(key) && read++, Reflect.get(all, key) as unknown) })
  await expect(keepArtifacts(record, { tree, globs, archive: undefined, limit: 1000, shown })).rejects.toThrow('more than 200 globs')
  expect(read).toBeLessThan(10)
})

const masked = (path: string) => path.replace('not-a-real-secret', '***')

test('a secret in a name is hidden in the record', async () => {
  const { tree, record, kept } = aRun()
  writeFileSync(join(tree, 'report-not-a-real-secret.txt'), '')
  expect(await keepArtifacts(record, { tree, globs: ['*'], archive: undefined, limit: 1000, shown: masked })).toEqual({ artifacts: [{ path: 'report-***.txt', size: 0 }], nameless: [] })
  expect(kept()).toEqual(['artifacts/report-***.txt'])
  expect(readFileSync(join(record, 'artifacts.json'), 'utf8')).not.toContain('not-a-real-secret')
})

test('a secret in a name is hidden where the file is not kept, too: without a list that could hold it, or too long', async () => {
  const { tree, archive, record } = aRun()
  writeFileSync(join(archive, 'not-a-real-secret\n'), '')
  expect(await keepArtifacts(record, { tree, globs: [], archive, limit: 1000, shown: masked })).toEqual({ artifacts: [], nameless: ['***\n'] })
  const directory = join(tree, 'not-a-real-secret', ...Array.from({ length: 10 }, () => 'd'.repeat(100)))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'file'), '')
  await expect(keepArtifacts(record, { tree, globs: ['**'], archive: undefined, limit: 1000, shown: masked })).rejects.toThrow(/^it left \*\*\*\/d/)
})

test('what a job has closed, or put so deep that it cannot be looked at, is its own fault, and is told without the secret in its name', async () => {
  const { tree, record } = aRun()
  const keep = () => keepArtifacts(record, { tree, globs: ['**'], archive: undefined, limit: 1000, shown: masked })
  const deep = 'mkdir not-a-real-secret && cd not-a-real-secret && while [ ${#PWD} -lt 3880 ]; do mkdir "$1" && cd "./$1"; done; : > "$2"'
  execFileSync('bash', ['-c', deep, 'deep', 'd'.repeat(200), 'f'.repeat(250)], { cwd: tree })
  try {
    await expect(keep()).rejects.toThrow(/^it left \*\*\*\/d.* whose path is longer than/)
  } finally {
    execFileSync('rm', ['-r', join(tree, 'not-a-real-secret')])
  }
  mkdirSync(join(tree, 'closed'))
  writeFileSync(join(tree, 'closed/not-a-real-secret'), '')
  chmodSync(join(tree, 'closed'), 0o444)
  await asNobody([dirname(tree), tree, record, join(tree, 'closed')], async () => {
    await expect(keep()).rejects.toThrow(/^it left closed\/\*\*\* as an artifact, which cannot be kept \(EACCES\)/)
  })
  chmodSync(join(tree, 'closed'), 0o755)
})

test('a link to itself where a glob begins is left out', async () => {
  const { tree, record } = aRun()
  symlinkSync('dist', join(tree, 'dist'))
  expect(await keepArtifacts(record, { tree, globs: ['dist/app/*'], archive: undefined, limit: 1000, shown })).toEqual({ artifacts: [], nameless: [] })
})

/** Root is let in everywhere. */
async function asNobody(places: string[], work: () => Promise<void>): Promise<void> {
  if (process.getuid!() !== 0) return work()
  for (const place of places) chownSync(place, 65_534, 65_534)
  process.seteuid!(65_534)
  try {
    await work()
  } finally {
    process.seteuid!(0)
  }
}

test('artifacts are kept once they, their list and all their names up to the record are flushed', async () => {
  onTestFinished(disarmFault)
  const { archive, tree, record } = aRun()
  mkdirSync(join(archive, 'deep'))
  for (const name of ['top', 'deep/file']) writeFileSync(join(archive, name), '')
  const run = join(record, 'build')
  // Both files, both directories, the list, and the names of the run's directory and of the one above it.
  for (const at of [1, 2, 3, 4, 5, 6, 7, 8]) {
    mkdirSync(run)
    armFault({ calls: ['fsync'], at, error: 'EIO', under: record })
    const keeping = keepArtifacts(run, { tree, globs: [], archive, limit: 1000, shown })
    if (at < 8) await expect(keeping, `flush ${at}`).rejects.toThrow('EIO')
    else expect((await keeping).artifacts).toHaveLength(2)
    disarmFault()
    if (at < 8) rmSync(run, { recursive: true })
  }
})

test('files whose names no list could hold are left out, and named', async () => {
  const { tree, archive, record, kept } = aRun()
  mkdirSync(join(archive, 'two\nlines'))
  for (const name of ['report.txt', 'tab\tback\\slash.txt']) writeFileSync(join(tree, name), '')
  for (const name of ['two\nlines/report', '\u2028']) writeFileSync(join(archive, name), '')
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff]), Buffer.from('.txt')]), '')
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff]), Buffer.from('.other')]), '')
  const { nameless } = await keepArtifacts(record, { tree, globs: ['*.txt'], archive, limit: 1000, shown })
  expect(kept()).toEqual(['artifacts/report.txt', 'artifacts/tab\tback\\slash.txt'])
  expect(nameless).toEqual(['\ufffd.txt', 'two\nlines/report', '\u2028'])
})
