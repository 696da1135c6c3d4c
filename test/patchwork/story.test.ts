/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import type { Series } from '../../src/model/request.ts'
import { applySeries, type Applied } from '../../src/patchwork/apply.ts'
import { openPatchwork } from '../../src/patchwork/client.ts'
import { countWarnings, newWarnings } from '../../src/patchwork/new-warnings.ts'
import { poll } from '../../src/patchwork/poll.ts'
import { supersededBy } from '../../src/patchwork/series-ledger.ts'
import { openOutbox } from '../../src/publish/outbox.ts'
import { checkReport, openPatchworkChecks, type PatchworkCheck } from '../../src/publish/patchwork-check.ts'
import { writeReport } from '../../src/publish/report-file.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { maintainerToken, startFakePatchwork } from '../helpers/fake-patchwork.ts'
import { fakeSource } from '../helpers/poll-once.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const bundle = resolve('test/fixtures/patchwork/mini.bundle')
const { patches: ids } = JSON.parse(readFileSync('test/fixtures/patchwork/ids.json', 'utf8')) as { patches: Record<string, number[]> }
const compiles = spawnSync('sh', ['-c', 'command -v make && command -v cc']).status === 0

interface Built {
  state: PatchworkCheck['state']
  line: string
  log: string
}

/** From the recorded mails to checks on their patches: polled, queued, claimed, applied, built by make, posted through the outbox. */
test.skipIf(!compiles)('mailed patches are polled, applied, built and told of (needs cc and make: apt-get install build-essential)', async () => {
  const fake = await startFakePatchwork({ recorded: true })
  onTestFinished(() => fake.close())
  const home = tempDir()
  const ledger = openLedger(join(home, 'ledger'))
  const queue = openDirectoryQueue(home, { ledger })
  const client = openPatchwork({ url: fake.url, project: 'ffmpeg', token: maintainerToken })
  const mirror = await openMirrors(join(home, 'cache/git'), { env: gitWorld(process.env), localPaths: true }).fetchMirror(bundle)
  const source = fakeSource(fake.url, { tree: bundle, pipelines: ['chunks'] })
  await poll({ source, client, home, queue, ledger, tip: async () => (await mirror.resolve('refs/heads/master'))!, since: '2026-11-20T00:00:00' })
  const outbox = openOutbox(home, ledger)
  const wanted = ['breakbuild', 'failtest', 'warning', 'noapply', 'ooo3', 'nonascii'].flatMap((name) => ids[name]!)

  let number = 0
  for (let claim = await queue.claim(() => ({ pipeline: 'mini', number: ++number })); claim !== undefined; claim = await queue.claim(() => ({ pipeline: 'mini', number: ++number }))) {
    const series = claim.request.series!
    if (series.patches.some(({ id }) => wanted.includes(id))) {
      const applied = await applySeries({ client, mirror, series, tip: claim.request.commit_id, directory: join(home, 'trees') })
      const directory = join(home, 'builds/mini', String(claim.build.number))
      mkdirSync(directory, { recursive: true })
      const reports = (await checksOf(series, applied, mirror.directory)).map((check) => checkReport(`mini/${claim!.build.number}`, check, new Date().toISOString()))
      for (const report of reports) writeReport(directory, report)
      outbox.handOver(directory)
    }
    await queue.finish(claim)
  }
  const publisher = openPatchworkChecks({ servers: [{ client, rehearse: false }], outdated: (old) => (supersededBy(home, old) ? 'superseded' : undefined), ended: () => false, retold: () => undefined, rehearsed: () => undefined })
  const delivered = await outbox.deliverDue({ 'patchwork-check': publisher }, Date.now() + 1000)

  expect(delivered).toMatchObject({ sent: 8, later: 0, dead: 0, problems: [] })
  const told = wanted.map((id) => fake.checks.get(id)!.map(({ state, description }) => `${state}: ${description}`))
  expect(told).toEqual([
    [expect.stringMatching(/^fail: .*error/)],
    [expect.stringMatching(/^fail: make: \*\*\* .*fate\] Error 1/)],
    [expect.stringMatching(/^warning: .*unused variable/)],
    ['warning: does not apply: conflict in libmini/clip.c'],
    ['success: passed'],
    ['success: passed'],
    ['success: passed'],
    ['success: passed'],
  ])
})

async function checksOf(series: Series, applied: Applied, mirror: string): Promise<PatchworkCheck[]> {
  const check = { server: series.server, project: series.project, series: series.id, context: 'make_fate_x86' }
  const checks: PatchworkCheck[] = []
  let before = buildTree(mirror, applied.base)
  for (const { id, commit } of applied.patches) {
    const now = buildTree(mirror, commit)
    const [warning] = newWarnings(await countWarnings(linesOf(before.log)), await countWarnings(linesOf(now.log)))
    const state = now.state === 'success' && warning !== undefined ? 'warning' : now.state
    checks.push({ ...check, patch: id, state, description: state === 'warning' ? `${warning!.file}: ${warning!.text}` : now.line })
    before = now
  }
  if (applied.kind === 'not-applied') checks.push({ ...check, patch: applied.failed.id, state: 'warning', description: `does not apply: ${applied.failed.reason}` })
  return checks
}

function buildTree(mirror: string, commit: string): Built {
  const tree = tempDir()
  const archive = execFileSync('git', ['-C', mirror, 'archive', commit])
  execFileSync('tar', ['x'], { cwd: tree, input: archive })
  const { status, stdout, stderr } = spawnSync('bash', ['-ec', './configure && make && make fate'], { cwd: tree, encoding: 'utf8', env: { PATH: process.env['PATH'], LC_ALL: 'C' } })
  const log = `${stdout}${stderr}`.replaceAll(`${tree}/`, '')
  const lines = log.trim().split('\n')
  return { log, state: status === 0 ? 'success' : 'fail', line: status === 0 ? 'passed' : (lines.find((line) => /error:/.test(line)) ?? lines.at(-1)!) }
}

async function* linesOf(log: string): AsyncGenerator<string> {
  yield* log.split('\n')
}
