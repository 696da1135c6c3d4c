import { linkSync, mkdirSync, readFileSync, rmdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fastGlob from 'fast-glob'
import { expect, test } from 'vitest'
import { keepArtifacts } from '../../src/record/artifacts.ts'
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
  await keepArtifacts(record, { tree, globs: ['**'], archive: undefined, limit: 1000, shown })
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
  await expect(keepArtifacts(record, { tree, globs: ['*'], archive: undefined, limit: 1000, shown })).rejects.toThrow('it left 10001 files as artifacts')
})

test('a secret in a name is hidden in the record', async () => {
  const { tree, record, kept } = aRun()
  writeFileSync(join(tree, 'report-not-a-real-secret.txt'), '')
  await keepArtifacts(record, { tree, globs: ['*'], archive: undefined, limit: 1000, shown: (path) => path.replace('not-a-real-secret', '***') })
  expect(kept()).toEqual(['artifacts/report-***.txt'])
})
