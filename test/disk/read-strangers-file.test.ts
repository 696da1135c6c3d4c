import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readStrangersFile } from '../../src/disk/read-strangers-file.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('of what a job may have put in the place of a file, only a regular one of bounded size is read, and nothing is waited for', () => {
  const directory = tempDir()
  const at = (name: string) => join(directory, name)
  writeFileSync(at('file'), 'grüße')
  symlinkSync('file', at('link'))
  symlinkSync('loop', at('loop'))
  mkdirSync(at('directory'))
  execFileSync('mkfifo', [at('pipe')])
  expect(readStrangersFile(at('file'), 7)).toBe('grüße')
  expect(readStrangersFile(at('file'), 6)).toBeUndefined()
  for (const name of ['link', 'loop', 'directory', 'pipe', 'none', 'file/below']) expect(readStrangersFile(at(name), 1000), name).toBeUndefined()
  expect(readStrangersFile('/dev/null', 1000)).toBeUndefined()
})
