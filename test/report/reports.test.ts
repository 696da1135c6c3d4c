import { expect, test } from 'vitest'
import { markdownReport } from '../../src/report/markdown.ts'
import type { ReportSource } from '../../src/report/story.ts'
import { textReport } from '../../src/report/text.ts'
import { failedBuild, failedRun, plannedRun } from '../helpers/failed-build.ts'

test('the text report opens with the first error and shows light, name, id, verdict, time and note of each run', () => {
  expect(textReport(source())).toBe(`First error of test (src/a.c:3):
  src/a.c:3:5: error: expected expression
      3 |   x = ;

╔ 🔴 failed : acme/app refs/heads/main [sha 0123456789] acme~app/7 1:12
┏━ Runs
┃
┃ 🟢 : lint   [bee36fac] passed   0:03
┃ 🔴 : test   [fbe72886] failed  61:05 coverage 81 %
┃ ⚪ : deploy [f83a8b3a] skipped
┗━
`)
})

test('the end of a log that names no error is not called one', () => {
  const { digests, ...rest } = source()
  const guessed = { ...rest, digests: { test: { ...digests!.test!, guess: true as const } } }
  expect(textReport(guessed)).toMatch(/^The end of test \(src/)
  expect(markdownReport(guessed)).toContain('The end of <code>test</code>')
  expect(textReport(guessed) + markdownReport(guessed)).not.toContain('First error')
})

test('the Markdown report says the same words, with a graph of the needs', () => {
  const markdown = markdownReport(source())
  expect(markdown).toContain('## 🔴 failed : <code>acme/app</code> <code>refs/heads/main</code>\n\nsha <code>0123456789</code>, build <code>acme&#126;app/7</code>, 1:12\n')
  expect(markdown).toContain('First error of <code>test</code> (<code>src/a.c&#58;3</code>):\n\n```\nsrc/a.c:3:5: error: expected expression\n    3 |   x = ;\n```\n')
  expect(markdown).toContain('| 🔴 | <code>test</code> | fbe72886 | failed | 61:05 | coverage 81 &#37; |\n')
  expect(markdown).toContain('```mermaid\ngraph LR\n  r0["lint<br/>passed 0#58;03"]:::passed\n')
  expect(markdown).toContain('  r0 --> r1\n  r1 --> r2\n')
  for (const word of ['lint', 'test', 'deploy', 'passed', 'failed', 'skipped', '61:05', '1:12']) expect(textReport(source())).toContain(word)
})

test.each(['a|b', '`rm`', '</code><script>alert(1)</script>', '[x](javascript:alert)', '@somebody', '#12', '"]; r0-->r1; click r0 "http://x', 'a\n\n# heading', 'www.example.org', '```', '--- | ---', '*b*_c_', '\u202etxt', '%%{init: {}}%%', 'end', '&#96;'])('a run named %j adds nothing to the structure', (name) => {
  const { result, plan } = failedBuild({ result: { runs: [failedRun(name)] } })
  const markdown = markdownReport({ result, plan, notes: { [name]: name } })
  const row = markdown.split('\n').find((line) => line.startsWith('| 🔴'))!
  expect(row.match(/\|/g)).toHaveLength(7)
  expect(row.replaceAll(/<\/?code>/g, '')).not.toMatch(/[`<>[\]@*_~]|#(?!\d+;)|www\.|\u202e/)
  const node = markdown.split('\n').find((line) => line.startsWith('  r0'))!
  expect(node).toMatch(/^ {2}r0\["(?:[\p{L}\p{N} ._/-]|#\d+;)*<br\/>failed 1#58;10"\]:::failed$/u)
  expect(textReport({ result, plan }).split('\n')).toHaveLength(6)
})

test('an error that holds a code fence stays within its own', () => {
  const { result, plan } = failedBuild()
  const digest = { tool: 'program', line: 1, text: '```', lines: ['```', '# not a heading', '````'] }
  expect(markdownReport({ result, plan, digests: { build: digest } })).toContain('`````\n```\n# not a heading\n````\n`````')
})

test('a note shows its first characters, on one line', () => {
  const { result, plan } = failedBuild()
  const text = textReport({ result, plan, notes: { build: `\x1b[31m81 %\x1b[0m\nsecond line ${'x'.repeat(5000)}` } })
  expect(text).toContain('1:10 81 % second line xxxxxxxxxxxxxxxxxxxxxxx\n┗━')
})

test('wide names keep the columns', () => {
  const { result, plan } = failedBuild({ result: { runs: [failedRun('構築'), failedRun('abcd')] } })
  const [wide, narrow] = textReport({ result, plan }).split('\n').filter((line) => line.startsWith('┃ 🔴'))
  expect(wide!.indexOf('[') + 2).toBe(narrow!.indexOf('['))
})

test('a build without runs and with very many is told as well', () => {
  const none = failedBuild({ result: { runs: [], verdict: 'errored', reason: 'the commit is gone' } })
  expect(textReport(none)).toMatch(/errored : .*\n┏━ Runs\n┃\n┗━\nthe commit is gone\n$/)
  expect(markdownReport(none)).toContain('the commit is gone')
  const many = failedBuild({ result: { runs: Array.from({ length: 1000 }, (_, index) => failedRun(`run ${index}`)) } })
  expect(markdownReport(many)).not.toContain('mermaid')
  expect(textReport(many).split('\n').filter((line) => line.startsWith('┃ 🔴'))).toHaveLength(1000)
})

test('a reason that the first error tells is not told again', () => {
  const reason = 'pipeline.ts:4: two jobs are named "a"'
  const { result, plan } = failedBuild({ result: { runs: [failedRun('pipeline')], reason } })
  const digest = (text: string) => ({ tool: 'words', line: 1, text, lines: [text] })
  for (const report of [textReport, markdownReport]) {
    expect(report({ result, plan, digests: { pipeline: digest(`error: ${reason}`) } }).match(/two jobs are named/g)).toHaveLength(1)
    expect(report({ result, plan, digests: { pipeline: digest('error: another') } })).toContain('two jobs are named')
  }
})

function source(): ReportSource {
  const runs = [
    failedRun('lint', { verdict: 'passed', code: 0, started: '2026-01-02T03:04:05.000Z', ended: '2026-01-02T03:04:08.400Z' }),
    failedRun('test', { started: '2026-01-02T03:00:00.000Z', ended: '2026-01-02T04:01:05.000Z' }),
    { name: 'deploy', verdict: 'skipped' as const },
  ]
  const { result } = failedBuild({ result: { runs } })
  const plan = failedBuild({ result: { runs }, plan: { runs: [plannedRun('lint'), plannedRun('test', { job: 'unit', needs: ['lint'] }), plannedRun('deploy', { needs: ['test'] })] } }).plan
  const digest = { tool: 'compiler', line: 9, text: 'src/a.c:3:5: error: expected expression', lines: ['src/a.c:3:5: error: expected expression', '    3 |   x = ;'], file: 'src/a.c', fileLine: 3 }
  return { result, plan, digests: { test: digest }, notes: { unit: 'coverage 81 %\n' } }
}
