import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { processesMarked } from '../helpers/processes-marked.ts'
import { aHome, exitOf, until } from '../helpers/a-home.ts'
import { smtpListener } from '../helpers/smtp.ts'

describe('a builder', () => {
  test('builds what waits, oldest first, and leaves an empty queue', async () => {
    const { drop, build, list, home } = aHome({ chunks: { build_packages: 'echo "$COMMIT_ID" >> "$QUERN_TEST_ORDER"\n' }, settings: { BUILD_ENV: 'QUERN_TEST_ORDER' } })
    const commits = ['c', 'a', 'b'].map((digit) => digit.repeat(40))
    for (const commit_id of commits) drop({ commit_id })
    const order = join(home, 'order')
    const { code, stderr } = await build([], { QUERN_TEST_ORDER: order })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(readFileSync(order, 'utf8').trim().split('\n')).toEqual(commits)
    expect([...list('queue'), ...list('queue/claimed')].filter((name) => name.endsWith('.json'))).toEqual([])
    expect(list('ledger/done')).toHaveLength(3)
    expect(list('cache/work')).toEqual([])
  })

  test('takes an amp_ci entry with its five keys under its own kind of name, and no links or dot files', async () => {
    const { home, drop, build, list, status } = aHome()
    drop({}, 'build-1700000000.25')
    writeFileSync(join(home, 'elsewhere'), readFileSync(join(home, 'queue/build-1700000000.25')))
    symlinkSync(join(home, 'elsewhere'), join(home, 'queue/1.000001-link.json'))
    drop({}, '.hidden.json')
    await build()
    expect(list('builds/app')).toEqual(['1'])
    expect(status('app/1')).toBe('PASSED')
    expect(existsSync(join(home, 'queue/.hidden.json'))).toBe(true)
  })

  test('leaves with 0 at once where another one is at work', async () => {
    const { home, drop, build, startBuilder, status } = aHome({ chunks: { build_packages: 'touch started; while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    drop()
    const first = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the build runs', () => existsSync(join(home, 'builds/app/1/runs/build/console.log')))
    drop()
    expect((await build()).code).toBe(0)
    expect(existsSync(join(home, 'builds/app/2/runs'))).toBe(false)
    writeFileSync(gate, '')
    expect(await exitOf(first)).toBe(0)
    expect([status('app/1'), status('app/2')]).toEqual(['PASSED', 'PASSED'])
  })

  test('builds as many at a time as it has threads, and no more', async () => {
    const { home, drop, startBuilder } = aHome({ chunks: { build_packages: 'touch "$QUERN_TEST_DIR/$COMMIT_ID"; while ! [ -e "$QUERN_TEST_DIR/gate" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_DIR' } })
    const directory = join(home, 'marks')
    mkdirSync(directory)
    for (const digit of ['1', '2', '3']) drop({ commit_id: digit.repeat(40) })
    const builder = startBuilder(['--threads', '2'], { QUERN_TEST_DIR: directory })
    await until('two builds run', () => existsSync(join(directory, '1'.repeat(40))) && existsSync(join(directory, '2'.repeat(40))))
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(existsSync(join(directory, '3'.repeat(40)))).toBe(false)
    writeFileSync(join(directory, 'gate'), '')
    expect(await exitOf(builder)).toBe(0)
    expect(existsSync(join(directory, '3'.repeat(40)))).toBe(true)
  })

  test('claims one build more than it has threads for, which is QUEUED until it has a slot', async () => {
    const { home, drop, startBuilder, status, list } = aHome({ chunks: { build_packages: '[ "$COMMIT_ID" = "$QUERN_TEST_HELD" ] || exit 0\nwhile ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE QUERN_TEST_HELD' } })
    const gate = join(home, 'gate')
    for (const digit of ['1', '2', '3']) drop({ commit_id: digit.repeat(40) })
    const builder = startBuilder([], { QUERN_TEST_GATE: gate, QUERN_TEST_HELD: '1'.repeat(40) })
    await until('the second build waits', () => existsSync(join(home, 'builds/app/2/status')) && status('app/2') === 'QUEUED')
    expect(status('app/1')).toBe('RUNNING')
    expect(list('builds/app')).toEqual(['1', '2'])
    writeFileSync(gate, '')
    expect(await exitOf(builder)).toBe(0)
    expect([status('app/1'), status('app/2'), status('app/3')]).toEqual(['PASSED', 'PASSED', 'PASSED'])
  })

  test('claims an entry of queue/low only when it can start: what comes meanwhile goes first', async () => {
    const { home, drop, startBuilder, list, result } = aHome({ chunks: { build_packages: 'while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    drop()
    const low = drop()
    mkdirSync(join(home, 'queue/low'), { recursive: true })
    renameSync(join(home, 'queue', low), join(home, 'queue/low', low))
    const builder = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the build runs', () => existsSync(join(home, 'builds/app/1/runs')))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(list('queue/low')).toEqual([low])
    const late = drop()
    writeFileSync(gate, '')
    expect(await exitOf(builder)).toBe(0)
    expect([result('app/2').entry, result('app/3').entry]).toEqual([late, low])
  })

  test('killed three times, it blames only the entry whose build it had begun', async () => {
    const { home, drop, build, startBuilder, list, result } = aHome({ chunks: { build_packages: 'case $COMMIT_ID in 1*) sleep 300 ;; esac\n' } })
    const killer = drop({ commit_id: '1'.repeat(40) })
    drop({ commit_id: '2'.repeat(40) })
    for (const attempt of [1, 2, 3]) {
      const builder = startBuilder()
      const begun = (number: number, what: string) => existsSync(join(home, `builds/app/${number}/${what}`)) && readFileSync(join(home, `builds/app/${number}/summary.log`), 'utf8').split('begins').length === attempt + 1
      await until(`attempt ${attempt} runs`, () => begun(1, 'runs') && begun(2, 'plan.json'))
      builder.kill('SIGKILL')
      await exitOf(builder)
    }
    await build()
    expect(list('queue/bad')).toContain(killer)
    expect([result('app/1').verdict, result('app/2').verdict]).toEqual(['errored', 'passed'])
  })

  test('sees an entry that arrives while it builds', async () => {
    const { home, drop, startBuilder, status } = aHome({ chunks: { build_packages: 'case $COMMIT_ID in 1*) while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done ;; *) touch "$QUERN_TEST_GATE" ;; esac\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    drop({ commit_id: '1'.repeat(40) })
    const builder = startBuilder(['--threads', '2'], { QUERN_TEST_GATE: join(home, 'gate') })
    await until('the first build runs', () => existsSync(join(home, 'builds/app/1/runs')))
    drop({ commit_id: '2'.repeat(40) })
    expect(await exitOf(builder)).toBe(0)
    expect([status('app/1'), status('app/2')]).toEqual(['PASSED', 'PASSED'])
  })

  test('told to stop, it ends its runs, puts their entries back and leaves; the next one builds them under the same number', async () => {
    const { home, drop, build, startBuilder, list, status, result } = aHome({ chunks: { build_packages: '[ -e "$QUERN_TEST_GATE" ] && exit 0\ntouch left\ntrap "" TERM\nsetsid sleep 300 &\nsleep 300\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    const entry = drop()
    const builder = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the build runs', () => processesMarked(home).length > 2)
    const asked = Date.now()
    builder.kill('SIGTERM')
    expect(await exitOf(builder)).toBe(0)
    expect(Date.now() - asked).toBeLessThan(10_000)
    expect(processesMarked(home)).toEqual([])
    expect(list('queue')).toContain(entry)
    expect(status('app/1')).toBe('QUEUED')
    // To remove what a run left may take longer than a builder has that is told to stop.
    expect(list('cache/work')).toEqual(['1'])
    writeFileSync(gate, '')
    await build([], { QUERN_TEST_GATE: gate })
    expect(list('cache/work')).toEqual([])
    expect(result('app/1')).toMatchObject({ verdict: 'passed', attempt: 2, entry })
    expect(list('builds/app')).toEqual(['1'])
  })

  test('killed, it leaves nothing running, and the next one repeats the build under the same number', async () => {
    const { home, drop, build, startBuilder, list, result } = aHome({ chunks: { build_packages: '[ -e "$QUERN_TEST_GATE" ] && exit 0\nsetsid sleep 300 &\nsleep 300\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    drop()
    const builder = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the build runs', () => processesMarked(home).length > 2)
    builder.kill('SIGKILL')
    await exitOf(builder)
    writeFileSync(gate, '')
    await build([], { QUERN_TEST_GATE: gate })
    expect(processesMarked(home)).toEqual([])
    expect(result('app/1')).toMatchObject({ verdict: 'passed', attempt: 2 })
    expect(existsSync(join(home, 'builds/app/1/attempts/1/runs/build/console.log'))).toBe(true)
    expect(list('cache/work')).toEqual([])
  })

  test('an entry that three builders died over is set aside, its build errored, and the administrator told', async () => {
    const smtp = await smtpListener()
    const { home, drop, build, startBuilder, list, result } = aHome({ chunks: { build_packages: 'sleep 300\n' }, settings: { SMTP_URL: smtp.url, MAIL_ADMIN: 'admin@example.org' } })
    const entry = drop()
    for (const attempt of [1, 2, 3]) {
      const builder = startBuilder()
      await until(`attempt ${attempt} runs`, () => existsSync(join(home, 'builds/app/1/summary.log')) && readFileSync(join(home, 'builds/app/1/summary.log'), 'utf8').split('begins').length === attempt + 1 && existsSync(join(home, 'builds/app/1/runs')))
      builder.kill('SIGKILL')
      await exitOf(builder)
    }
    await build()
    expect(list('queue/bad')).toContain(entry)
    expect(result('app/1')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('3 builders died') })
    expect(smtp.taken.map(({ to }) => to)).toEqual([['admin@example.org']])
  })

  test('a job sees the world it is given and nothing of the builder’s', async () => {
    const { drop, build, console: log } = aHome({ chunks: { build_packages: 'env -0 | sort -z | tr "\\0" "\\n"\n' }, settings: { SECRET: 'not-a-real-secret', SMTP_URL: 'smtp://user:not-real@127.0.0.1:9', BUILD_ENV: 'CCACHE_DIR', CCACHE_DIR: '/var/ccache' } })
    drop({ committer_name: 'Robert"; touch /tmp/pwned; $(id) `id`' })
    await build([], { STRAY: 'from the shell that started the builder' })
    const seen = log('app/1')
    expect(seen).not.toMatch(/SECRET|SMTP_URL|STRAY|not-a-real-secret/)
    expect(seen).toContain('CCACHE_DIR=/var/ccache\n')
    expect(seen).toContain('COMMITTER_NAME=Robert"; touch /tmp/pwned; $(id) `id`\n')
    expect(seen).toMatch(/^HOME=\//m)
  })
})
