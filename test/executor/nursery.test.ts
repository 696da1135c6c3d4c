import { readFileSync, readlinkSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { descendants, markedProcesses } from '../../src/executor/processes.ts'
import { openShell } from '../../src/executor/shell.ts'
import { treeKiller } from '../../src/executor/tree-killer.ts'
import { bareEnvironment, runScript } from '../helpers/run-script.ts'

const { kind, note } = await treeKiller('auto')
const inNurseries = kind.endsWith('namespace')
const root = process.getuid?.() === 0
if (!inNurseries) console.warn(`skipped: runs that share a namespace, because ${note}; apt-get install util-linux`)

const shell = openShell('auto')
/** Numbers of namespaces are used again, and two may start in one tick of the clock, but not two of one number: the pause sees to that. */
const namespace = 'sleep 0.03; echo "$(readlink /proc/self/ns/pid) since $(cut -d " " -f 22 /proc/1/stat)"'
/** A name that shells keep for themselves: a run with it gets a namespace of its own. */
const alone = { ...bareEnvironment, OPTARG: 'x' }

test.runIf(inNurseries)('runs that leave nothing behind share a namespace, one after the other', async () => {
  const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8')
  // A mount of the host that comes or goes between them, like another test's, gives the second one a namespace of its own.
  for (let [before, after] = ['', 'unknown']; before !== after; ) {
    before = mounts()
    const one = await runScript(shell, `${namespace}; true & wait; exit 3`)
    const other = await runScript(shell, namespace)
    after = mounts()
    if (before === after) expect(one).toMatchObject({ code: 3, output: other.output })
  }
})

test.runIf(inNurseries)('runs at the same time do not', async () => {
  const [one, other] = await Promise.all([1, 2].map(() => runScript(shell, 'readlink /proc/self/ns/pid; sleep 0.3')))
  expect(one!.output).not.toBe(other!.output)
})

test.runIf(inNurseries).each(['setsid sleep 60 & true', 'setsid sleep 60 & kill -9 $$'])('what a run leaves is the end of its namespace (%s)', async (script) => {
  const id = `nursery-${process.pid}/p/1/r`
  const left = await runScript(shell, `${namespace}; ${script}`, { id })
  expect(markedProcesses(id)).toEqual([])
  const next = await runScript(shell, namespace)
  expect(left.output).toMatch(/^pid:\[\d+\] since \d+\n/)
  expect(next).toMatchObject({ verdict: 'passed', output: expect.not.stringContaining(left.output) })
})

test.runIf(inNurseries)('a run that kills all it can reaches nothing but itself', async () => {
  for (const script of ['kill -9 0', 'kill -9 -1', 'kill -9 1', 'kill -TERM 0', 'kill -HUP 0; sleep 5']) await runScript(shell, script)
  expect(await runScript(shell, 'kill -9 0; sleep 5')).toMatchObject({ verdict: 'failed', code: 137 })
  expect(await runScript(shell, 'echo next')).toMatchObject({ verdict: 'passed', output: 'next\n' })
})

test.runIf(inNurseries)('a run whose process 1 was killed from outside is errored: nothing that it does could do that', async () => {
  let namespace = ''
  const running = runScript(shell, 'readlink /proc/self/ns/pid; sleep 60', { output: (chunk) => (namespace += String(chunk)), limits: { timeout: 30_000, grace: 500 } })
  await vi.waitUntil(() => namespace.endsWith('\n'), { timeout: 60_000 })
  const inside = descendants(process.pid).filter((pid) => readlinkSync(`/proc/${pid}/ns/pid`) === namespace.trim())
  process.kill(inside[0]!, 'SIGKILL')
  expect(await running).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('ended before it') })
  expect(await runScript(shell, 'echo next')).toMatchObject({ verdict: 'passed', output: 'next\n' })
})

test.runIf(inNurseries && root).each(['mount -t tmpfs none m', 'mount -t tmpfs none m; mount -o remount,ro m', 'mount --bind / m'])('no run sees a mount of the one before it (%s)', async (mount) => {
  const { verdict, workspace } = await runScript(shell, `mkdir m; ${mount}`)
  const { output } = await runScript(shell, 'cat /proc/self/mountinfo')
  expect(verdict).toBe('passed')
  expect(output).not.toContain(workspace)
})

test.runIf(inNurseries)('a run starts as one does that has a namespace of its own', async () => {
  const look = "umask; ulimit -a; pwd; grep -E '^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd|Cap|NoNew|Seccomp|Groups|Uid|Gid)' /proc/self/status; cat /proc/$$/oom_score_adj; ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/cwd; env | sort | grep -vE '^(OPTARG|_|SHLVL|QUERN_RUN)='; cat /proc/$$/cgroup"
  await runScript(shell, `umask 0; ulimit -n 50; cd /; trap '' TERM INT HUP; exec 7</dev/null; export LEAK=1`)
  const shared = await runScript(shell, look)
  const own = await runScript(shell, look, { workspace: shared.workspace, env: alone })
  expect(shared.output).toBe(own.output)
  expect(shared.output).toContain(bareEnvironment.PATH)
})

test('values of any bytes arrive, also where a shell keeps the name for itself', async () => {
  const value = `${Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join('')} '"\\ $(x) \u{1F600} ${'\n'.repeat(3)}`
  for (const env of [{ ...bareEnvironment, ODD: value }, { ...bareEnvironment, ODD: value, OPTARG: value }]) {
    const { output } = await runScript(shell, 'env -0', { env })
    expect(output.split('\0')).toEqual(expect.arrayContaining(Object.entries(env).map(([name, text]) => `${name}=${text}`)))
  }
})
