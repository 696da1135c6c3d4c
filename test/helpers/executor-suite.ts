import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Execution, Executor } from '../../src/executor/executor.ts'
import { bareEnvironment, makeExecution, type Ran, runScript as runAnyScript } from './run-script.ts'

export interface Subject {
  name: string
  executor: Executor
  /** What each execution needs here, like an image. */
  given?: Partial<Execution>
  /** Variables that come from elsewhere, like an image's. */
  adds?: string[]
  /** False where daemons that clear their environment are not found. */
  holdsAll: boolean
  /** It starts so slowly that variations are left out. */
  slow?: boolean
  /** What held one run takes in the next one, too. */
  reused?: boolean
}

/** A process that leaves its group, its session and its parent, and writes its beats into the workspace, for some seconds and as long as that is there: so a test that fails or is interrupted leaves it to nobody. */
const daemon = (start: string) => `(${start} bash -c 'exec >/dev/null 2>&1; for i in {1..1000}; do echo x >> beats || break; sleep 0.02; done' &) & wait; until [ -s beats ]; do sleep 0.02; done`

/** What every executor promises. */
export function describeExecutor({ name, executor, given: always = {}, holdsAll, adds = [], slow = false, reused = false }: Subject): void {
  const runScript = (script: string, given: Partial<Execution> & { signal?: AbortSignal } = {}): Promise<Ran> => runAnyScript(executor, script, { ...always, ...given })
  /** What becomes of a script that says `up`, when the time that it has is over: only a busy machine gives it so little that it has not said so. */
  const runTooLong = async (script: string, grace: number, timeout = slow ? 2000 : 500): Promise<Ran> => {
    const ran = await runScript(script, { limits: { timeout, grace } })
    return ran.output.startsWith('up') || timeout > 30_000 ? ran : runTooLong(script, grace, 2 * timeout)
  }
  describe(name, () => {
  test('exit code 0 passes', async () => {
    expect(await runScript('echo hello')).toMatchObject({ verdict: 'passed', code: 0, output: 'hello\n' })
  })

  test('any other exit code fails and is told', async () => {
    expect(await runScript('exit 42')).toMatchObject({ verdict: 'failed', code: 42 })
    expect(await runScript('exit 255')).toMatchObject({ verdict: 'failed', code: 255 })
  })

  test('a script that ends itself by a signal fails with 128 + its number, as a shell says it', async () => {
    expect(await runScript('kill $$; sleep 1; exit 0')).toMatchObject({ verdict: 'failed', code: 143, signal: 'SIGTERM', output: '' })
    expect(await runScript('kill -9 $$; sleep 1; exit 0')).toMatchObject({ verdict: 'failed', code: 137, signal: 'SIGKILL' })
  })

  test('a script that bash cannot read fails as bash says', async () => {
    const { verdict, code, output } = await runScript('if then fi(')
    expect({ verdict, code }).toEqual({ verdict: 'failed', code: 2 })
    expect(output).toContain('syntax error')
  })

  test('the environment is exactly the given one, QUERN_RUN, and what bash sets', async () => {
    const env = { ...bareEnvironment, ODD: 'a "b" $(c)\n`d`\t\u00e4', EMPTY: '' }
    const { output } = await runScript('env -0', { env, id: 'home/p/7/r' })
    const got = Object.fromEntries(output.split('\0').filter(Boolean).map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]))
    for (const name of ['PWD', 'SHLVL', '_', 'OLDPWD', ...adds]) delete got[name]
    expect({ PATH: env.PATH, ...got }).toEqual({ ...env, QUERN_RUN: 'home/p/7/r' })
  })

  test('it starts below the workspace where it is told to', async () => {
    const { workspace } = makeExecution('')
    const start = join(workspace, 'tree')
    mkdirSync(start)
    const { output } = await runScript('pwd; echo made > ../file', { workspace, start })
    expect(output).toBe(`${start}\n`)
    expect(readFileSync(join(workspace, 'file'), 'utf8')).toBe('made\n')
  })

  test('it starts in the workspace, which it may write', async () => {
    const { output, workspace } = await runScript('echo made > file; cat file; [ "$PWD" = "$(pwd -P)" ] && echo same')
    expect(output).toBe('made\nsame\n')
    expect(readFileSync(join(workspace, 'file'), 'utf8')).toBe('made\n')
  })

  test('standard input is empty', async () => {
    expect(await runScript('cat; echo end')).toMatchObject({ verdict: 'passed', output: 'end\n' })
  })

  test('standard output and error arrive in order', async () => {
    const { output } = await runScript('for n in 1 2 3 4 5; do echo out$n; echo err$n >&2; done')
    expect(output).toBe([1, 2, 3, 4, 5].map((n) => `out${n}\nerr${n}\n`).join(''))
  })

  test('/dev/stderr and /dev/stdout can be opened by name and lose nothing', async () => {
    const { output } = await runScript('echo 1; echo 2 > /dev/stderr; echo 3; echo 4 > /dev/stdout; echo 5')
    expect(output).toBe('1\n2\n3\n4\n5\n')
  })

  test('binary output arrives byte by byte', async () => {
    const { bytes } = await runScript(String.raw`for n in {0..255}; do printf "\\x$(printf %x $n)"; done`)
    expect([...bytes]).toEqual(Array.from({ length: 256 }, (_, n) => n))
  })

  test('50 MB arrive whole, and the same slot starts clean afterwards', async () => {
    const hash = createHash('sha256')
    let size = 0
    const output = (chunk: Uint8Array) => {
      hash.update(chunk)
      size += chunk.length
    }
    const { verdict } = await runScript('yes 0123456789abcde | head -c 52428800', { output })
    expect({ verdict, size }).toEqual({ verdict: 'passed', size: 52_428_800 })
    expect(hash.digest('hex')).toBe(createHash('sha256').update('0123456789abcde\n'.repeat(3_276_800)).digest('hex'))
    expect((await runScript('echo next')).output).toBe('next\n')
  })

  test('a tree that takes too long is asked to end, and may clean up', async () => {
    const ran = await runTooLong("trap 'echo bye; exit 3' TERM; echo up; for i in {1..1000}; do sleep 0.05; done", 20_000)
    expect(ran).toMatchObject({ verdict: 'timed-out', code: 3, output: expect.stringContaining('bye') })
  })

  test('a tree that ignores SIGTERM is killed after the grace', async () => {
    const script = "trap '' TERM; echo up; (for i in {1..1000}; do echo x >> beats || break; sleep 0.02; done) & for i in {1..1000}; do sleep 0.05; done"
    const { verdict, output, workspace } = await runTooLong(script, 200)
    expect({ verdict, output }).toEqual({ verdict: 'timed-out', output: 'up\n' })
    await expectQuiet(workspace)
  })

  test('an aborted signal cancels', async () => {
    const controller = new AbortController()
    const output = () => controller.abort()
    const ran = await runScript('echo up; sleep 60', { output, signal: controller.signal, limits: { timeout: 60_000, grace: 60_000 } })
    expect(ran).toMatchObject({ verdict: 'cancelled', signal: 'SIGTERM' })
  })

  test('a signal that is aborted at once, or before, cancels without waiting for the grace', async () => {
    const controller = new AbortController()
    setImmediate(() => controller.abort())
    const limits = { timeout: 60_000, grace: 60_000 }
    expect(await runScript('sleep 60', { signal: controller.signal, limits })).toMatchObject({ verdict: 'cancelled' })
    expect(await runScript('touch ran', { signal: controller.signal })).toMatchObject({ verdict: 'cancelled', output: '' })
  })

  test('a run that is asked to end before it has begun changes nothing for the next one', async () => {
    for (let round = 0; round < (reused ? 100 : 2); round++) {
      const early = await runScript('touch ran; sleep 60', { signal: abortedAsItIsHeard(), limits: { timeout: 60_000, grace: 60_000 } })
      const { verdict, output } = await runScript('echo next')
      expect({ early: early.verdict, verdict, output }).toEqual({ early: 'cancelled', verdict: 'passed', output: 'next\n' })
    }
  })

  test.each(['', 'setsid', 'nohup', ...(holdsAll ? ['env -i', 'setsid env -i'] : [])].slice(slow ? -1 : 0))('a daemon started by "%s" ends with its run', async (start) => {
    const { verdict, workspace } = await runScript(daemon(start))
    expect(verdict).toBe('passed')
    await expectQuiet(workspace)
  })

  test('a daemon that keeps the output open delays nothing', async () => {
    const { verdict, output } = await runScript('setsid sleep 100 & echo done', { limits: { timeout: 60_000, grace: 60_000 } })
    expect({ verdict, output }).toEqual({ verdict: 'passed', output: 'done\n' })
  })

  test('many runs at once keep their outputs apart', async () => {
    const runs = await Promise.all([1, 2, 3, 4, 5].map((n) => runScript(`for i in 1 2 3; do echo ${n}; done`)))
    expect(runs.map(({ output }) => output)).toEqual([1, 2, 3, 4, 5].map((n) => `${n}\n`.repeat(3)))
  })

  test('a workspace that is not there is errored and named', async () => {
    const workspace = '/nonexistent/work'
    const { verdict, reason } = await runScript('true', { workspace })
    expect({ verdict, reason }).toEqual({ verdict: 'errored', reason: expect.stringContaining(workspace) })
  })

  test('a written file is limited where a size is given', async () => {
    const { verdict, workspace } = await runScript('head -c 3000000 /dev/zero > big', { limits: { timeout: 60_000, grace: 500, fileSize: 1_048_576 } })
    expect(verdict).toBe('failed')
    expect(readFileSync(join(workspace, 'big')).length).toBeLessThanOrEqual(1_048_576)
  })
  })
}

/** Nobody writes beats any more. */
async function expectQuiet(workspace: string): Promise<void> {
  const beats = join(workspace, 'beats')
  expect(existsSync(beats)).toBe(true)
  const before = readFileSync(beats).length
  await sleep(150)
  expect(readFileSync(beats).length).toBe(before)
}

/** A signal that is aborted the moment somebody listens to it: no run could be asked to end earlier. */
function abortedAsItIsHeard(): AbortSignal {
  const controller = new AbortController()
  const { signal } = controller
  signal.addEventListener = (...listener: Parameters<EventTarget['addEventListener']>) => {
    EventTarget.prototype.addEventListener.apply(signal, listener)
    controller.abort()
  }
  return signal
}
