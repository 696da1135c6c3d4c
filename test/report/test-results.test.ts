import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { testResultsDigest } from '../../src/report/test-results.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const pytest = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="0" tests="2" time="0.051">
<testcase classname="tests.test_calc" name="test_error_message" time="0.001" />
<testcase classname="tests.test_calc" name="test_adds" time="0.001"><failure message="assert -1 == 3">def test_adds():
        total = add(1, 2)
&gt;       assert total == 3
E       assert -1 == 3

tests/test_calc.py:8: AssertionError</failure></testcase></testsuite></testsuites>`

test('the first failure of a JUnit file is told with its test, message and place', async () => {
  const digest = await digestIn({ 'reports/junit.xml': pytest })
  expect(digest).toMatchObject({ tool: 'JUnit', source: 'reports/junit.xml', line: 3, text: 'tests.test_calc > test_adds', file: 'tests/test_calc.py', fileLine: 8 })
  expect(digest!.lines.slice(0, 3)).toEqual(['tests.test_calc > test_adds', 'assert -1 == 3', 'def test_adds():'])
})

test('file and line of the test case win, and an error counts like a failure', async () => {
  const xml = `<testsuite><testcase name="loads" file="spec/load.rb" line="12"><system-out>failed: 0</system-out><error type="RuntimeError"><![CDATA[no config\n  at lib/x.rb:3]]></error></testcase></testsuite>`
  expect(await digestIn({ 'a.xml': xml })).toMatchObject({ text: 'loads', file: 'spec/load.rb', fileLine: 12, lines: ['loads', 'RuntimeError', 'no config', '  at lib/x.rb:3'] })
})

test('the first not ok of a TAP file is told, what is still to do is not', async () => {
  const tap = 'TAP version 13\nok 1 - error is told\nnot ok 2 - later # TODO\nnot ok 3 - adds\n  ---\n  at: test/calc.js:9\n  ...\n1..3\n'
  expect(await digestIn({ 'out.tap': tap })).toMatchObject({ tool: 'TAP', source: 'out.tap', line: 4, text: 'not ok 3 - adds', file: 'test/calc.js', fileLine: 9 })
})

test('files are read in the order of their names; those without failures tell nothing', async () => {
  const passed = pytest.replace(/<failure[^]*<\/failure>/, '')
  expect(await digestIn({ 'a.xml': passed, 'b.tap': 'ok 1\n1..1\n', 'c.xml': pytest })).toMatchObject({ source: 'c.xml' })
  expect(await digestIn({ 'a.xml': passed })).toBeUndefined()
})

test.each([
  ['no XML', 'this is no xml: <failure'],
  ['XML that breaks off', pytest.slice(0, 300)],
  ['an entity bomb', `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><testsuite><testcase name="x"><system-out>&b;</system-out></testcase></testsuite>`],
  ['an external entity', `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>`],
  ['a page', '<html><body>error</body></html>'],
  ['nothing', ''],
])('%s is passed over', async (_, text) => {
  expect(await digestIn({ 'a.xml': text })).toBeUndefined()
})

test('failures that were made to be slow hold nobody up', async () => {
  // Without a bound, each takes seconds: all of them far longer than a test may.
  const slow = `<testsuite><testcase name="x"><failure>${'a.'.repeat(4000)}<![CDATA[${'a.'.repeat(4000)}]]></failure></testcase></testsuite>`
  const directory = tempDir()
  writeFileSync(join(directory, 'a.xml'), slow)
  for (let run = 0; run < 150; run++) expect(await testResultsDigest(directory)).toMatchObject({ tool: 'JUnit' })
})

test('other encodings are read, control characters are not shown', async () => {
  const xml = '<?xml version="1.0" encoding="UTF-16"?><testsuite><testcase name="größe"><failure message="\u202ered"/></testcase></testsuite>'
  expect(await digestIn({ 'a.xml': Buffer.from(`\ufeff${xml}`, 'utf16le') })).toMatchObject({ lines: ['größe', '\ufffdred'] })
})

test('links are not followed', async () => {
  const directory = tempDir()
  const outside = join(tempDir(), 'secret.xml')
  writeFileSync(outside, pytest)
  symlinkSync(outside, join(directory, 'a.xml'))
  symlinkSync(dirname(outside), join(directory, 'd'))
  expect(await testResultsDigest(directory)).toBeUndefined()
  expect(await testResultsDigest('/nowhere/at/all')).toBeUndefined()
})

async function digestIn(files: Record<string, string | Uint8Array>): ReturnType<typeof testResultsDigest> {
  const directory = tempDir()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return testResultsDigest(directory)
}
