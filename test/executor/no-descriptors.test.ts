import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { findProgram } from '../../src/executor/find-program.ts'
import { makeExecution } from '../helpers/run-script.ts'

const kinds = ['shell', 'alone', ...(findProgram('bwrap') === undefined ? [] : ['sandbox'])]
const limited = findProgram('prlimit') !== undefined
if (!limited) console.warn('skipped: a host that is out of descriptors, because prlimit is not installed: apt-get install util-linux')

test.runIf(limited).each(kinds)('a run for which no descriptors are left is errored, and the next one passes (%s)', (kind) => {
  // What it leaves is the end of its namespace: the next run needs all descriptors anew.
  const { script, workspace } = makeExecution('setsid sleep 5 & true')
  const text = execFileSync('prlimit', ['--nofile=64', process.execPath, 'node_modules/jiti/lib/jiti-cli.mjs', 'test/helpers/short-of-descriptors-child.ts', kind, script, workspace], { encoding: 'utf8' })
  const endings = text.trim().split('\n').map((line) => JSON.parse(line) as { verdict: string; reason?: string })
  expect(new Set(endings.map(({ verdict }) => verdict))).toEqual(new Set(['passed', 'errored']))
  for (const { reason } of endings.filter(({ verdict }) => verdict === 'errored')) expect(reason).toMatch(/EMFILE|too many open files/i)
})
