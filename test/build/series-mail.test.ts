import { expect, test } from 'vitest'
import type { Judgement } from '../../src/build/blame/judge-run.ts'
import { replyTo, type Reply, type ReplySettings } from '../../src/build/series-mail.ts'
import type { Mail } from '../../src/model/mail.ts'
import type { Series } from '../../src/model/request.ts'
import type { PatchworkSource } from '../../src/patchwork/settings.ts'
import { failedBuild } from '../helpers/failed-build.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const series: Series = {
  server: 'https://patchwork.example.org', project: 'tool', id: 2, version: 1, name: 'a series', submitter: { name: 'Bob', email: 'bob@example.com' },
  patches: [{ id: 11, msgid: '<one@example.com>', name: 'one', n: 1 }], each_patch: true, pipelines: ['job:a', 'job:b'],
}
const broken: Judgement = { patch: 11, context: 'make', state: 'fail', line: 'error: broken', blamed: true }
const source = { url: series.server, project: 'tool', rehearse: false, mail: { reply: true, not_applied: false, wait: 360, cc: 'list@example.org' } } as PatchworkSource

/** What is answered when one of its pipelines is decided. */
function answer(home: string, pipeline: string, judgements: Judgement[], change: Partial<ReplySettings> = {}): Reply {
  const { result, request, plan } = failedBuild({ request: { series, pipeline } })
  return replyTo({ result, request, plan, directory: home }, judgements, { home, source, ciName: 'Mill', from: 'ci@example.org', admin: undefined, publicUrl: undefined, mayMail: () => true, ...change })
}

function mailIn({ report }: Reply): Mail | undefined {
  return (report?.payload as { mail: Mail } | undefined)?.mail
}

test('a submitter whom MAIL_ALLOW leaves out is not answered', () => {
  const asked: string[] = []
  const mayMail = (address: string) => (asked.push(address), false)
  expect(answer(tempDir(), 'job:a', [broken], { mayMail })).toEqual({ why: 'bob@example.com is not within MAIL_ALLOW' })
  expect(asked).toEqual(['bob@example.com'])
  expect(mailIn(answer(tempDir(), 'job:a', [broken]))).toMatchObject({ to: 'bob@example.com', cc: 'list@example.org' })
})

test('a rehearsal answers the administrator alone, whatever MAIL_ALLOW says, and nobody where there is none', () => {
  const rehearsal = { source: { ...source, rehearse: true }, mayMail: () => false }
  const mail = mailIn(answer(tempDir(), 'job:a', [broken], { ...rehearsal, admin: 'admin@example.org' }))
  expect([mail?.to, mail?.cc]).toEqual(['admin@example.org', undefined])
  expect(answer(tempDir(), 'job:a', [broken], rehearsal).report).toBeUndefined()
})

test('a job that two pipelines found broken in one patch is told once, and other jobs beside it', () => {
  const home = tempDir()
  expect(answer(home, 'job:a', [broken]).report?.not_before).toBeDefined()
  const last = answer(home, 'job:b', [broken, { ...broken, context: 'lint', line: 'error: untidy' }])
  expect(last.report?.not_before).toBeUndefined()
  const { text } = mailIn(last)!
  expect([text.split('broken').length - 1, text.split('untidy').length - 1]).toEqual([1, 1])
})

test('a pipeline that found nothing says nothing while another one is not decided, nor for what is not the author’s', () => {
  const home = tempDir()
  expect(answer(home, 'job:a', [{ ...broken, blamed: false }])).toEqual({ why: 'nothing in it is new and the author’s' })
  expect(mailIn(answer(home, 'job:b', [broken]))).toMatchObject({ to: 'bob@example.com' })
})
