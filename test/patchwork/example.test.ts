import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { patchworkSchema } from '../../src/patchwork/settings.ts'
import { aHome } from '../helpers/a-home.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const example = resolve('examples/ffmpeg')

test('the FFmpeg example is valid, and its pipeline is among its jobs', async () => {
  const { home } = aHome()
  cpSync(join(example, 'job-defs'), join(home, 'job-defs'), { recursive: true })
  cpSync(join(example, 'quern.yaml'), join(home, 'quern.yaml'))

  expect(await runQuern(home, ['lint'])).toMatchObject({ code: 0, stderr: '' })
  const [source] = v.parse(patchworkSchema, (parse(readFileSync(join(example, 'quern.yaml'), 'utf8')) as { patchwork: unknown }).patchwork)
  expect(source).toMatchObject({ branch: 'master', pipelines: ['job:x86/make_fate'], rehearse: true, exclude: ['Changelog'] })
})

const compiles = spawnSync('sh', ['-c', 'command -v make && command -v cc']).status === 0

test.skipIf(!compiles)('its scripts configure, build and test a tree that is built as FFmpeg is (needs cc and make: apt-get install build-essential)', () => {
  const tree = join(tempDir(), 'mini')
  execFileSync('git', ['clone', '--quiet', resolve('test/fixtures/patchwork/mini.bundle'), tree], { stdio: 'ignore' })
  const outputs = ['configure', 'make', 'make_fate'].map((job) => {
    const { script } = parse(readFileSync(join(example, 'job-defs/x86', `${job}.yml`), 'utf8')) as { script: string }
    return execFileSync('bash', ['-ec', script], { cwd: tree, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  })

  expect(outputs.at(-1)).toContain('TEST    mini ok')
})

test('every key of a source is in docs/patchwork.md', () => {
  const keys = Object.keys(patchworkSchema.wrapped.item.entries)
  const page = readFileSync('docs/patchwork.md', 'utf8')

  for (const key of keys) expect(page, key).toContain(`\`${key}\``)
})
