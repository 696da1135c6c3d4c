import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { findProgram } from '../../src/executor/find-program.ts'
import { endLeftovers } from '../../src/executor/leftovers.ts'
import { markedProcesses } from '../../src/executor/processes.ts'
import { openShell } from '../../src/executor/shell.ts'
import { treeKiller } from '../../src/executor/tree-killer.ts'
import { bareEnvironment, makeExecution, runScript } from '../helpers/run-script.ts'
import { startExecution } from '../helpers/start-execution.ts'

const root = process.getuid?.() === 0
const { kind, note } = await treeKiller('auto')
const holdsAll = kind !== 'group'
if (!holdsAll) console.warn(`skipped: trees that outlive a killed builder, because ${note}; apt-get install util-linux bubblewrap`)

/** Six processes that beat into the workspace: the script, its child, and daemons of every kind. They end by themselves in the end, should a test fail or be interrupted. */
const forest = `
beat() { for i in {1..1000}; do echo $1 >> beats || break; sleep 0.02; done; }
export -f beat
trap '' TERM HUP
beat child &
setsid bash -c 'beat session' &
(bash -c 'beat orphan' &)
(setsid bash -c 'beat daemon' >/dev/null 2>&1 &)
env -i setsid bash -c 'for i in {1..1000}; do echo bare >> beats || break; sleep 0.02; done' &
until [ "$(sort -u beats 2>/dev/null | wc -l)" = 5 ]; do sleep 0.02; done
touch ready
wait
`

test.runIf(holdsAll)('nothing of a run outlives a builder that was killed', async () => {
  const execution = makeExecution(forest)
  const { child, ended } = startExecution('shell', execution)
  await until(() => existsSync(join(execution.workspace, 'ready')))
  child.kill('SIGKILL')
  await ended.catch(() => {})
  await expectQuiet(execution.workspace)
  expect(markedProcesses(execution.id)).toEqual([])
})

test.runIf(root && holdsAll)('an ordinary user holds whole trees too, and keeps its own user id inside', async () => {
  const execution = makeExecution(`id -u; ${forest.replace('wait\n', '')}`)
  const ending = await startExecution('shell', execution, { uid: 65_534 }).ended
  expect(ending).toMatchObject({ verdict: 'passed', uid: 65_534, treeKiller: expect.not.stringMatching('group'), output: expect.stringMatching(/^65534\n/) })
  await expectQuiet(execution.workspace)
})

test.runIf(root && holdsAll)('nothing of an ordinary user\'s run outlives a builder that was killed', async () => {
  const execution = makeExecution(forest)
  const { child, ended } = startExecution('shell', execution, { uid: 65_534 })
  await until(() => existsSync(join(execution.workspace, 'ready')))
  child.kill('SIGKILL')
  await ended.catch(() => {})
  await expectQuiet(execution.workspace)
})

test.runIf(root)('a run that uses sudo is ended as far as an ordinary user may, and its builder goes on', async () => {
  const execution = makeExecution('./as-root --reuid 0 --clear-groups sleep 2 & echo started; wait', { limits: { timeout: 700, grace: 200 } })
  const program = join(execution.workspace, 'as-root')
  copyFileSync(findProgram('setpriv')!, program)
  chmodSync(program, 0o4755)
  const ending = await startExecution('shell', execution, { uid: 65_534, without: ['unshare', 'bwrap'] }).ended
  expect(ending).toMatchObject({ verdict: 'timed-out', treeKiller: expect.stringMatching('group'), output: 'started\n' })
})

const builders = root ? [{}, { uid: 65_534 }] : [{}]

test.runIf(holdsAll).each(builders)('services are found by their names, in their own runs too, the host\'s own names stay, and the host learns nothing (%j)', async (builder) => {
  const port = 20_000 + (process.pid % 20_000)
  const look = 'getent hosts mill; getent hosts localhost | grep -c localhost; id -u; grep CapEff /proc/self/status'
  const service = makeExecution(`exec node -e "require('net').createServer((c)=>c.on('error',()=>{}).end('grain\\n')).listen(${port}, 'mill')"`, { beside: ['mill', 'db'] })
  const execution = makeExecution(`${look}; for i in {1..200}; do (read -r word < /dev/tcp/mill/${port} && echo "$word") 2>/dev/null && exit 0; sleep 0.05; done; exit 1`, { beside: ['mill', 'db'] })
  const ending = await startExecution('shell', execution, { ...builder, service }).ended
  expect(ending.reason).toBeUndefined()
  expect(ending.notes).toBeUndefined()
  const plain = await startExecution('shell', makeExecution(look), builder).ended
  expect(ending.output).toMatch(/^127\.0\.0\.1 +mill db\n/)
  expect(ending.output.split('\n').slice(1)).toEqual([...plain.output.split('\n').slice(0, -1), 'grain', ''])
})

test.runIf(root && holdsAll)('so they are where only bubblewrap makes namespaces', async () => {
  const ending = await startExecution('shell', makeExecution('getent hosts mill', { beside: ['mill'] }), { uid: 65_534, without: ['unshare'] }).ended
  expect(ending).toMatchObject({ verdict: 'passed', treeKiller: 'bubblewrap', output: expect.stringMatching(/^127\.0\.0\.1 +mill\n$/) })
})

test.runIf(root && holdsAll && existsSync('/etc/nsswitch.conf'))('so they are where another service is asked for names before the files', async () => {
  const files = { '/etc/nsswitch.conf': 'passwd: files\nhosts: mymachines dns [!UNAVAIL=return] files\n' }
  const ending = await startExecution('shell', makeExecution('getent hosts mill; grep hosts: /etc/nsswitch.conf', { beside: ['mill'] }), { files }).ended
  expect(ending.output).toMatch(/^127\.0\.0\.1 +mill\nhosts: files mymachines dns /)
})

test.runIf(holdsAll).each(builders)('nothing of a run with services outlives a builder that was killed (%j)', async (builder) => {
  const execution = makeExecution(`cp /proc/self/mountinfo mounts; ${forest}`, { beside: ['mill'] })
  const { child, ended } = startExecution('shell', execution, builder)
  await until(() => existsSync(join(execution.workspace, 'ready')))
  child.kill('SIGKILL')
  await ended.catch(() => {})
  await expectQuiet(execution.workspace)
  expect(readFileSync(join(execution.workspace, 'mounts'), 'utf8')).toMatch(/\/hosts\/\/deleted \/etc\/hosts /)
})

test('where a run has no mounts of its own, services are on localhost, and the remedy is told, unless the host knows their names', async () => {
  const group = openShell('group')
  expect((await runScript(group, 'true', { beside: ['mill', 'db'] })).notes).toEqual(['it finds the services mill, db as localhost, but not by name, since it has no mounts of its own: leave TREE_KILL="group" out of environment.sh, or put the line "127.0.0.1 mill db" into /etc/hosts'])
  expect((await runScript(group, 'true', { beside: ['localhost'] })).notes).toBeUndefined()
})

test.runIf(root)('where nothing makes namespaces, what would do so is told', async () => {
  const ending = await startExecution('shell', makeExecution('echo ran', { beside: ['mill'] }), { without: ['unshare', 'bwrap'] }).ended
  expect(ending).toMatchObject({ verdict: 'passed', output: 'ran\n', notes: [expect.stringContaining('apt-get install util-linux')] })
})

test('leftovers of a home are ended, those of another home and zombies are not looked at', async () => {
  const start = (id: string) => {
    const { workspace } = makeExecution('')
    spawnSync('bash', ['-c', '(setsid bash -c "for i in {1..1000}; do echo x >> beats || break; sleep 0.02; done" >/dev/null 2>&1 &); until [ -s beats ]; do sleep 0.02; done'], { cwd: workspace, env: { ...bareEnvironment, QUERN_RUN: id } })
    return workspace
  }
  const home = `home-${process.pid}`
  const [ours, others] = [start(`${home}/p/1/r`), start(`${home}2/p/1/r`)]
  expect(await endLeftovers(home)).toBeGreaterThan(0)
  await expectQuiet(ours)
  expect(markedProcesses(`${home}2`).length).toBeGreaterThan(0)
  await endLeftovers(`${home}2`)
  await expectQuiet(others)
  expect(await endLeftovers(home)).toBe(0)
})

test('a program that holds the tree and fails makes the run errored, in its words', async () => {
  const limits = { timeout: 60_000, grace: 500, memory: 1 }
  const ran = await runScript(openShell('auto'), 'true', { limits })
  expect(ran.verdict).not.toBe('passed')
  expect(ran.notes).toEqual(['memory is limited for each process by itself, not for the run as a whole'])
})

test('an environment larger than the system takes is errored and says so', async () => {
  const env = { ...bareEnvironment, BIG: 'x'.repeat(3_000_000) }
  expect(await runScript(openShell('auto'), 'true', { env })).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('environment') })
})

test.runIf(root && holdsAll)('processes inside see themselves only', async () => {
  const { output } = await runScript(openShell('auto'), 'ls /proc | grep -c "^[0-9]"')
  expect(Number(output)).toBeLessThan(8)
})

async function until(met: () => boolean): Promise<void> {
  for (let look = 0; !met() && look < 500; look += 1) await sleep(20)
  expect(met()).toBe(true)
}

/** Nobody writes beats any more, long before whoever outlived would be at an end. */
async function expectQuiet(workspace: string): Promise<void> {
  const beats = join(workspace, 'beats')
  const grew = async () => {
    const before = readFileSync(beats).length
    await sleep(150)
    return readFileSync(beats).length > before
  }
  for (let look = 0; look < 20; look += 1) if (!(await grew())) return
  expect(await grew()).toBe(false)
}
