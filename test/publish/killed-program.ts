// Started by crash.test.ts, killed or hindered at some step: three reports are written, handed over and tried, twice.
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openOutbox } from '../../src/publish/outbox.ts'
import type { Outcome } from '../../src/publish/publisher.ts'
import { writeReport } from '../../src/publish/report-file.ts'

const [home = '', log = ''] = process.argv.slice(2)
const build = join(home, 'builds/app/1')
const outcomes: Record<string, Outcome> = { accepted: { kind: 'sent' }, deferred: { kind: 'later', reason: 'busy' }, refused: { kind: 'refused', reason: 'never' } }
const email = {
  publish: async ({ id }: { id: string }) => {
    appendFileSync(log, `asked ${id}\n`)
    return outcomes[id]!
  },
}

mkdirSync(build, { recursive: true })
for (const id of Object.keys(outcomes)) writeReport(build, { id, publisher: 'email', build: 'app/1', created: new Date().toISOString(), payload: {} })
appendFileSync(log, 'written\n')
const outbox = openOutbox(home, { decide: () => undefined })
for (const hours of [0, 1]) {
  outbox.handOver(build)
  const delivered = await outbox.deliverDue({ email }, Date.now() + hours * 3_600_000)
  for (const problem of delivered?.problems ?? []) appendFileSync(log, `hindered ${problem}\n`)
}
