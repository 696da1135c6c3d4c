import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { reportSource } from '../../src/report/report-source.ts'
import { textReport } from '../../src/report/text.ts'
import { failedBuild, failedRun } from '../helpers/failed-build.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a report is opened by the first errors of its failed runs, from logs and from test results', async () => {
  const directory = tempDir()
  const files = {
    'compile/console.log': 'cc -c a.c\na.c:3:5: error: expected expression\nmake: *** [Makefile:2: a.o] Error 1\n',
    'lint/console.log': 'a.c:1:1: error: this run passed all the same\n',
    'test/console.log': 'running\nmake: *** [Makefile:9: test] Error 1\n',
    'test/artifacts/out.tap': '1..1\nnot ok 1 - adds\n',
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, 'runs', name)), { recursive: true })
    writeFileSync(join(directory, 'runs', name), content)
  }
  const { result, plan } = failedBuild({ result: { runs: [failedRun('compile'), failedRun('lint', { verdict: 'passed' }), failedRun('test'), failedRun('silent')] } })
  const text = textReport(await reportSource({ result, plan, directory }, { test: '81 %' }))
  expect(text).toMatch(/^First error of compile \(a\.c:3\):\n {2}a\.c:3:5: error: expected expression\n/)
  expect(text).toContain('First error of test:\n  not ok 1 - adds\n')
  expect(text).not.toContain('passed all the same')
  expect(text).toMatch(/🔴 : test +\[\w+\] failed 1:10 81 %\n/)
})
