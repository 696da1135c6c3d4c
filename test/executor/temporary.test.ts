import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { makeTemporary, removeTemporary } from '../../src/executor/temporary.ts'
import { tempDir } from '../helpers/temp-dir.ts'

afterEach(() => void vi.unstubAllEnvs())

test('what a dead process left among the temporary files is removed; that of the living, of others and behind links stays', () => {
  const place = tempDir()
  vi.stubEnv('TMPDIR', place)
  const { pid } = spawnSync('true')
  const left = join(place, `quern-container-${pid}-abcdef`)
  mkdirSync(join(left, 'quern'), { recursive: true })
  writeFileSync(join(left, 'quern/environment.sh'), 'export DEPLOY_KEY="not-a-real-key"\n')
  const elsewhere = tempDir()
  symlinkSync(elsewhere, join(place, `quern-file-${pid}-abcdef`))
  mkdirSync(join(place, `quern-test-${pid}`))
  const own = makeTemporary('output')
  removeTemporary()
  expect(existsSync(left)).toBe(false)
  for (const path of [own, elsewhere, join(place, `quern-file-${pid}-abcdef`), join(place, `quern-test-${pid}`)]) expect(existsSync(path), path).toBe(true)
})
