import { chmodSync, copyFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findProgram } from '../../src/executor/find-program.ts'
import { bareEnvironment, makeExecution } from '../helpers/run-script.ts'
import { startExecution } from '../helpers/start-execution.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: a host that is out of processes, which only root can act out')

const own = { ...bareEnvironment, OPTARG: 'x' }

test.runIf(root).each([['one that it would share', bareEnvironment], ['one of its own', own]])('on a host that is out of processes a run in a namespace, %s, is errored and has not failed', async (_, env) => {
  const { verdict, code, reason } = await startExecution('shell', makeExecution('exit 0', { env }), { files: shellThatCannotFork() }).ended
  expect({ verdict, code }).toEqual({ verdict: 'errored', code: undefined })
  expect(reason).toMatch(/fork/)
})

/** In place of this host's: the limit counts for a user of its own, since it is none to root. */
function shellThatCannotFork(): Record<string, string> {
  const [directory, shell] = [tempDir(), realpathSync(findProgram('sh')!)]
  chmodSync(directory, 0o755)
  copyFileSync(shell, join(directory, 'sh'))
  const user = String(1_900_000_000 + process.pid)
  return { [shell]: `#!${findProgram('bash')}\nexec setpriv --reuid ${user} --regid ${user} --clear-groups prlimit --nproc=1 ${join(directory, 'sh')} "$@"\n` }
}
