import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { aHome } from '../helpers/a-home.ts'
import { aRequest } from '../helpers/a-request.ts'
import { homeWithBuilds } from '../helpers/home-with-builds.ts'
import { runQuern } from '../helpers/run-quern.ts'

const hasScript = spawnSync('script', ['--version']).status === 0
if (!hasScript) console.warn('skipped: quern on a terminal; install script(1): apt install bsdutils')

/** What a command prints on a terminal, made by script(1). */
function onTerminal(home: string, words: string, env = {}): string {
  const { stdout } = spawnSync('script', ['-qec', `${process.cwd()}/bin/quern ${words}`, '/dev/null'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], NODE: process.execPath, TERM: 'xterm-256color', QUERN_HOME: home, ...env },
  })
  return stdout
}

const red = '\u001b[31m'

test.skipIf(!hasScript)('colours are for terminals that want them', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  await decide('failed')
  expect(onTerminal(home, 'builds')).toContain(`${red}FAILED`)
  expect(onTerminal(home, 'builds', { NO_COLOR: '1' })).not.toContain('\u001b')
  expect((await runQuern(home, ['builds'], { env: { TERM: 'xterm-256color' } })).stdout).not.toContain('\u001b')
})

test.skipIf(!hasScript)('who starts the builder by hand sees what it builds and how that ends; cron is told nothing', async () => {
  const { home, drop, build } = aHome({ chunks: { build_packages: 'exit ${COMMITTER_NAME}\n' } })
  drop({ committer_name: '0' })
  drop({ committer_name: '3', ref: 'refs/heads/\u202eedisrever' })
  const shown = onTerminal(home, 'build', { NO_COLOR: '1' }).split('\r\n')
  // The second one is claimed ahead.
  expect(shown.toSorted()).toEqual(['', 'FAILED app/2: The build failed with exit code 3.', 'PASSED app/1', '… app/1 app refs/heads/main', '… app/2 app refs/heads/\ufffdedisrever'])
  expect(onTerminal(home, 'build').trim()).toBe('Nothing waits to be built or sent.')
  drop({ committer_name: '0' })
  expect(await build()).toMatchObject({ code: 0, stdout: '', stderr: '' })
})

test.skipIf(!hasScript)('a console log is made readable on a terminal, whole', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  await decide('failed', { output: `\u001b]0;owned\u0007${'\u20ac line\n'.repeat(50_000)}50%\r100%\nno newline at the end \u001b[2J` })
  const shown = onTerminal(home, 'show app/1 --log').replaceAll('\r\n', '\n')
  expect(shown).toBe(`${'\u20ac line\n'.repeat(50_000)}100%\nno newline at the end `)
})
