import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { homeDirectory, installation } from '../../src/config/home.ts'
import { tempDir } from '../helpers/temp-dir.ts'

afterEach(() => void vi.unstubAllEnvs())

test('an installation that is reached by a link is the installation: its shipped chunks are not taken for chunks of a home', () => {
  const link = join(tempDir(), 'link')
  symlinkSync(installation(), link)
  vi.stubEnv('QUERN_HOME', link)
  expect(homeDirectory()).toBe(installation())
})

test('another home is taken as it is named, whether it is there or not', () => {
  const link = join(tempDir(), 'link')
  symlinkSync(tempDir(), link)
  for (const home of [link, '/nowhere/quern']) {
    vi.stubEnv('QUERN_HOME', home)
    expect(homeDirectory()).toBe(home)
  }
})
