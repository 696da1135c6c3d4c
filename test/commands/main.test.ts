import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('--help lists the commands and the exit codes', async () => {
  const { code, stdout } = await runQuern(tempDir(), ['--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('init')
  expect(stdout).toContain('Exit codes: 0 all is well; 1')
})

test('a command shows its own help, both ways', async () => {
  const [dashed, worded] = await Promise.all([runQuern(tempDir(), ['init', '--help']), runQuern(tempDir(), ['help', 'init'])])
  expect(dashed.stdout).toContain('Examples:')
  expect(worded.stdout).toBe(dashed.stdout)
})

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(await runQuern(tempDir(), ['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
})

test.each([[['nosuch']], [['init', '--nosuch']], [['init', 'a', 'b']]])('%j is a mistake: exit code 2', async (words) => {
  const { code, stderr } = await runQuern(tempDir(), words)
  expect(code).toBe(2)
  expect(stderr).toContain('error:')
})
