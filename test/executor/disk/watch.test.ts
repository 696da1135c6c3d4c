import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { removeTree } from '../../../src/build/execute/work-directory.ts'
import { openDiskWatch } from '../../../src/executor/disk/watch.ts'
import type { Execution, Executor } from '../../../src/executor/executor.ts'
import { findProgram } from '../../../src/executor/find-program.ts'
import { openSandbox } from '../../../src/executor/sandbox.ts'
import { openShell } from '../../../src/executor/shell.ts'
import { runScript } from '../../helpers/run-script.ts'
import { canMount, smallDisk } from '../../helpers/small-disk.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

/** Each test plays a hostile job that wants the disk of the host. */
const installed = findProgram('bwrap') !== undefined
if (!installed) console.warn('skipped: hostile jobs that fill the disk, because bubblewrap is not installed: apt-get install bubblewrap')
const attack = test.runIf(installed)

const mebibyte = 1024 ** 2
const pace = { look: 50, youth: 100 }
const untrusted = { untrusted: true, limits: { timeout: 60_000, grace: 200 } }

function watched({ limit = 20 * mebibyte, directory = tempDir(), executor = openSandbox({ hidden: [] }), look = pace.look }: { limit?: number; directory?: string; executor?: Executor; look?: number } = {}): Executor {
  return openDiskWatch({ directory, limit, pace: { ...pace, look } }).guard(executor)
}

/** The script goes on until it is ended. */
const forEver = '; sleep 60'
const tooLarge = { verdict: 'failed', reason: expect.stringMatching(/^its workspace grew too large: those of its build take \d+ MiB of the disk together, and may take 20 MiB \(WORKSPACE_LIMIT in environment\.sh\)$/) }

attack.each([
  ['many small files', 'for ((n = 0; ; n++)); do mkdir d$n; for f in {1..50}; do echo > d$n/$f; done; done'],
  ['a few large ones', 'for n in {1..30}; do fallocate -l 1M f$n; done' + forEver],
  ['files in a directory that nobody may read', 'mkdir deep; cd deep; for n in {1..30}; do fallocate -l 1M f$n; done; chmod 300 .; chmod 000 ..' + forEver],
  ['files deeper than a path can be long', 'name=$(printf "d%.0s" {1..200}); for i in {1..60}; do mkdir $name && cd $name; done; for n in {1..30}; do fallocate -l 1M f$n; done' + forEver],
])('%s end a run at the limit', async (_, script) => {
  const { workspace, ...ending } = await runScript(watched(), script, untrusted)
  expect(ending).toMatchObject(tooLarge)
  await removeTree(workspace)
})

attack('so do files in the directory that the runs of a build share', async () => {
  const shared = tempDir()
  chmodSync(shared, 0o777)
  expect(await runScript(watched(), 'for n in {1..30}; do fallocate -l 1M "$QUERN_SHARED/f$n"; done' + forEver, { ...untrusted, shared })).toMatchObject(tooLarge)
})

attack('what earlier runs of a build left counts for the next one, as long as it is there', async () => {
  const executor = watched()
  const first = await runScript(executor, 'fallocate -l 15M kept; sleep 0.5', { ...untrusted, id: 'home/p/1/first' })
  expect(first.verdict).toBe('passed')
  expect(await runScript(executor, 'fallocate -l 15M more' + forEver, { ...untrusted, id: 'home/p/1/second' })).toMatchObject(tooLarge)
  expect(await runScript(executor, 'fallocate -l 15M more; sleep 0.5', { ...untrusted, id: 'home/p/2/first' })).toMatchObject({ verdict: 'passed' })
  rmSync(first.workspace, { recursive: true })
  expect(await runScript(executor, 'sleep 0.5', { ...untrusted, id: 'home/p/1/third' })).toMatchObject({ verdict: 'passed' })
})

attack.each([
  ['a sparse file', 'truncate -s 10G sparse'],
  ['a hundred names of one file', 'fallocate -l 10M file; for n in {1..100}; do ln file link$n; done'],
  ['a link to what is large elsewhere', 'ln -s /usr link'],
])('%s takes no more of the disk than it does', async (_, script) => {
  expect(await runScript(watched(), `${script}; sleep 0.7`, untrusted)).toMatchObject({ verdict: 'passed' })
})

attack('of two runs of a build the one ends that is larger', async () => {
  const executor = watched()
  const [small, large] = await Promise.all([
    runScript(executor, 'fallocate -l 8M file; sleep 1.5', { ...untrusted, id: 'home/p/1/small' }),
    runScript(executor, 'fallocate -l 15M file' + forEver, { ...untrusted, id: 'home/p/1/large' }),
  ])
  expect([small.verdict, large.verdict]).toEqual(['passed', 'failed'])
})

test('work of ours in a workspace ends at the limit, with the reason; what is small enough is left alone', async () => {
  const { guardWork } = openDiskWatch({ directory: tempDir(), limit: 20 * mebibyte, pace })
  const [small, large] = [tempDir(), tempDir()]
  const never = new AbortController().signal
  expect(await guardWork({ workspace: small, untrusted: true }, never, async () => sleep(300, 'done'))).toBe('done')
  const endless = guardWork({ workspace: large, untrusted: true }, never, async (signal) => {
    for (let n = 0; ; n++) await sleep(20, writeFileSync(join(large, `file${n}`), Buffer.alloc(mebibyte, 'x')), { signal })
  })
  await expect(endless).rejects.toThrow(/^its workspace grew too large: .* may take 20 MiB \(WORKSPACE_LIMIT in environment\.sh\)$/)
})

test('work of ours ends with the reason of its signal', async () => {
  const { guardWork } = openDiskWatch({ directory: tempDir(), limit: mebibyte, pace })
  const stop = new AbortController()
  const endless = guardWork({ workspace: tempDir() }, stop.signal, (signal) => sleep(10_000, undefined, { signal }).catch(() => Promise.reject(signal.reason as Error)))
  stop.abort(new Error('told to stop'))
  await expect(endless).rejects.toThrow('told to stop')
})

test.runIf(canMount)('a trusted run is bounded, too, once it has taken a part of the limit', async () => {
  // A disk to itself: of one that others clear at the same time, nobody can say what a run has taken.
  const disk = smallDisk(64 * mebibyte)
  const executor = watched({ directory: disk.path, executor: openShell('auto') })
  expect(await runScript(executor, `sleep 0.3; head -c 30M /dev/zero > file; sync file${forEver}`, { limits: untrusted.limits, workspace: placeOn(disk.path, 'run') })).toMatchObject(tooLarge)
})

test.runIf(installed && canMount)('where the disk runs low, files without a name end the untrusted run that has them open, as our fault', async () => {
  const disk = smallDisk(64 * mebibyte)
  const executor = watched({ directory: disk.path, limit: 1024 * mebibyte })
  const hidden = 'exec 3> file; rm file; head -c 62M /dev/zero >&3' + forEver
  const ending = await runScript(executor, hidden, { ...untrusted, workspace: placeOn(disk.path, 'untrusted') })
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/^the disk ran low: of .* \d MiB are left, and less than 3 MiB are kept from untrusted runs$/) })
  expect(await runScript(executor, 'sleep 0.3', { ...untrusted, workspace: placeOn(disk.path, 'next') })).toMatchObject({ verdict: 'passed' })
})

test.runIf(installed && canMount)('where the disk runs low, trusted runs go on, and of untrusted ones the largest ends first', { tags: 'long' }, async () => {
  const disk = smallDisk(64 * mebibyte)
  // What a run has taken must have been counted when the disk runs low, on a busy machine, too.
  const executor = watched({ directory: disk.path, limit: 1024 * mebibyte, look: 300 })
  const run = (name: string, script: string, given: Partial<Execution>) => runScript(executor, script, { limits: untrusted.limits, id: `home/p/1/${name}`, ...given, workspace: placeOn(disk.path, name) })
  const trusted = runScript(executor, 'head -c 40M /dev/zero > file; sleep 7', { limits: untrusted.limits, id: 'home/p/2/trusted', workspace: placeOn(disk.path, 'trusted') })
  const small = run('small', 'head -c 2M /dev/zero > file; sleep 6.5', { untrusted: true })
  const large = run('large', 'head -c 10M /dev/zero > file; sleep 2; head -c 10M /dev/zero >> file' + forEver, { untrusted: true })
  expect((await large).verdict).toBe('errored')
  rmSync(join(disk.path, 'large'), { recursive: true })
  expect([(await small).verdict, (await trusted).verdict]).toEqual(['passed', 'passed'])
})

test.runIf(installed && canMount)('where no more files can be made on the disk, an untrusted run ends', async () => {
  const disk = smallDisk(64 * mebibyte, { files: 1000 })
  const executor = watched({ directory: disk.path, limit: 1024 * mebibyte })
  const ending = await runScript(executor, 'for n in {1..2000}; do : > $n; done' + forEver, { ...untrusted, workspace: placeOn(disk.path, 'run') })
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('more files can be made, and less than 50 are kept from untrusted runs') })
})

attack('/tmp, HOME and /dev/shm are memory of the run, and bounded', async () => {
  const given = { env: { PATH: '/usr/bin:/bin', HOME: '/home/quern' }, limits: { ...untrusted.limits, memory: 128 * mebibyte } }
  expect((await runScript(watched(), 'df --output=size -B 1M /tmp "$HOME" /dev/shm | tail -3', { ...untrusted, ...given })).output.match(/\d+/g)).toEqual(['128', '128', '256'])
  expect((await runScript(watched(), 'fallocate -l 300M /dev/shm/file', untrusted)).output).toContain('No space left on device')
})

/** Goes on until it is ended. */
const idle: Executor = { execute: (_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ verdict: 'cancelled' }))) }

/** Until the end of the test, du is a shell script that may end before the real one. */
function standInForDu(script: string): void {
  const programs = tempDir()
  writeFileSync(join(programs, 'du'), `#!/bin/sh\n${script}\nexec ${findProgram('du')} "$@"\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${programs}:${process.env['PATH']}`)
  onTestFinished(() => void vi.unstubAllEnvs())
}

function largePlace(): string {
  const workspace = tempDir()
  writeFileSync(join(workspace, 'file'), Buffer.alloc(2 * mebibyte, 1))
  return workspace
}

test('a walk that takes long keeps nobody else from being looked at', async () => {
  const slow = tempDir()
  standInForDu(`case "$*" in *${slow}*) exec sleep 2; esac`)
  const executor = watched({ limit: mebibyte, executor: idle })
  const controller = new AbortController()
  const first = runScript(executor, '', { untrusted: true, id: 'home/p/1/slow', workspace: slow, signal: controller.signal })
  const start = performance.now()
  expect(await runScript(executor, '', { untrusted: true, id: 'home/p/2/large', workspace: largePlace() })).toMatchObject({ verdict: 'failed' })
  expect(performance.now() - start).toBeLessThan(1500)
  controller.abort()
  expect(await first).toMatchObject({ verdict: 'cancelled' })
})

test('a walk that loses its way among directories that are moved is begun again', async () => {
  const counted = join(tempDir(), 'walks')
  standInForDu(`echo walk >> ${counted}; [ "$(wc -l < ${counted})" -gt 3 ] || exit 1`)
  const start = performance.now()
  const ending = await runScript(watched({ limit: mebibyte, executor: idle }), '', { untrusted: true, workspace: largePlace() })
  expect(performance.now() - start).toBeLessThan(5000)
  expect(ending).toMatchObject({ verdict: 'failed', reason: expect.stringMatching(/^its workspace grew too large: .* 2 MiB/) })
})

test('an untrusted run that can never be walked ends, and what could not be bounded is told of that build only', async () => {
  const moving = tempDir()
  standInForDu(`case "$*" in *${moving}*) exit 1; esac`)
  const executor = watched({ limit: mebibyte, executor: idle })
  const controller = new AbortController()
  const other = runScript(executor, '', { untrusted: true, id: 'home/p/2/other', workspace: tempDir(), signal: controller.signal })
  const ending = await runScript(executor, '', { untrusted: true, id: 'home/p/1/moving', workspace: moving })
  expect(ending).toMatchObject({ verdict: 'failed', reason: expect.stringContaining('5 walks in a row lost their way') })
  controller.abort()
  expect(await other).toEqual(expect.not.objectContaining({ notes: expect.anything() }))
})

test('whoever is cancelled is cancelled, whatever the disk says, and a run that could not be watched says so', async () => {
  const controller = new AbortController()
  const executor = watched({ directory: '/nonexistent', executor: openShell('auto') })
  const running = runScript(executor, 'echo up; sleep 60', { signal: controller.signal, limits: untrusted.limits, output: () => setTimeout(() => controller.abort(), 300) })
  expect(await running).toMatchObject({ verdict: 'cancelled', notes: expect.arrayContaining([expect.stringContaining('what it takes of the disk was not bounded')]) })
  controller.abort()
  expect(await runScript(executor, 'touch ran', { signal: controller.signal })).toMatchObject({ verdict: 'cancelled' })
})

function placeOn(disk: string, name: string): string {
  const path = join(disk, name)
  mkdirSync(path)
  return path
}
