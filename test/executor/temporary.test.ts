import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { makeTemporary, removeTemporary } from '../../src/executor/temporary.ts'
import { tempDir } from '../helpers/temp-dir.ts'

afterEach(() => void vi.unstubAllEnvs())

test('what a dead process left among the temporary files is removed; that of the living, of other containers and behind links stays', () => {
  const place = tempDir()
  vi.stubEnv('TMPDIR', place)
  const { pid } = spawnSync('true')
  const own = makeTemporary('output')
  const where = basename(own).split('-')[2]!
  const left = join(place, `quern-container-${where}-${pid}-abcdef`)
  mkdirSync(join(left, 'quern'), { recursive: true })
  writeFileSync(join(left, 'quern/environment.sh'), 'export DEPLOY_KEY="not-a-real-key"\n')
  const elsewhere = tempDir()
  const kept = [`quern-file-${where}-${pid}-abcdef`, `quern-output-${where}0-${pid}-abcdef`, `quern-test-${pid}`].map((name) => join(place, name))
  symlinkSync(elsewhere, kept[0]!)
  for (const path of kept.slice(1)) mkdirSync(path)
  removeTemporary()
  expect(existsSync(left)).toBe(false)
  for (const path of [own, elsewhere, ...kept]) expect(existsSync(path), path).toBe(true)
})
