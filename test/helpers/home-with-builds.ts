import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { buildName, type BuildResult } from '../../src/model/build.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import type { Request } from '../../src/model/request.ts'
import type { Verdict } from '../../src/model/verdict.ts'
import { statusOf } from '../../src/model/verdict.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { addToIndex } from '../../src/record/build-index.ts'
import { openBuildRecord } from '../../src/record/build-record.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { tempDir } from './temp-dir.ts'

/** A home whose queue, ledger and records are filled as receiver and builder fill them, without running a job. */
export function homeWithBuilds() {
  const home = tempDir()
  const ledger = openLedger(join(home, 'ledger'))
  const queue = openDirectoryQueue(home, { ledger })
  const records = openRecords(home)
  mkdirSync(join(home, 'logs'))
  return { home, ledger, queue, records, accept, begin, decide }

  async function accept(request: Request): Promise<string> {
    const { entry } = await queue.enqueue(request)
    ledger.decide({ ...keys(request), decision: 'queued', reason: `push of ${request.ref}`, entry })
    return entry
  }

  /** Claims the oldest entry and begins its build, with one run that printed something. */
  async function begin(output = 'hello\n') {
    const claim = (await queue.claim(({ repository }) => records.reserve(repository)))!
    const record = openBuildRecord(records.directory(claim.build), claim)
    ledger.decide({ ...keys(claim.request), decision: 'building', reason: 'its turn came', entry: claim.entry, build: buildName(claim.build) })
    const run = record.openRun({ name: 'build', params: {} } as PlannedRun)
    run.setStatus('RUNNING')
    writeFileSync(join(run.directory, 'console.log'), output)
    return { claim, record, run }
  }

  async function decide(verdict: Verdict, { reason, output }: { reason?: string; output?: string } = {}): Promise<BuildResult> {
    const { claim, record, run } = await begin(output)
    run.setStatus(statusOf(verdict))
    const { repository, ref, commit_id } = claim.request
    const times = { started: '2026-01-02T03:04:05.000Z', ended: '2026-01-02T03:04:17.000Z' }
    const result: BuildResult = {
      ...claim.build,
      verdict,
      ...(reason && { reason }),
      attempt: claim.attempt,
      entry: claim.entry,
      repository,
      ref,
      commit_id,
      ...times,
      runs: [{ name: 'build', verdict, ...(verdict === 'failed' && { code: 2 }), ...times }],
    }
    await record.decide(result)
    addToIndex(home, result)
    ledger.decide({ ...keys(claim.request), decision: verdict, reason: reason ?? `The build ${verdict}.`, entry: claim.entry, build: buildName(result) })
    await queue.finish(claim)
    return result
  }
}

function keys({ hook, delivery, repository, ref, commit_id }: Request) {
  return { hook, delivery, repository, ref, commit_id }
}
