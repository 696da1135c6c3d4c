import { once } from 'node:events'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { processesMarked } from '../helpers/processes-marked.ts'
import { aHome, exitOf, until } from '../helpers/a-home.ts'
import { canTrace } from '../helpers/can-trace.ts'
import { runQuern } from '../helpers/run-quern.ts'
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
    expect(list('ledger/done').filter((name) => !name.endsWith('.build'))).toHaveLength(3)
    expect(list('cache/work')).toEqual([])
  })

  test('ends where it cannot look into its queue any more, once what it builds is done', async () => {
    const { home, startBuilder, drop, status } = aHome()
    writeFileSync(join(home, 'scripts/build_packages'), `cd ${home}/queue; rm -rf low; ln -s low low; sleep 0.5\n`)
    drop()
    expect(await exitOf(startBuilder())).not.toBe(0)
    expect(status('app/1')).toBe('PASSED')
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

  test.each(['', '{', 'null', '{}'])('goes on past a record whose files hold %j', async (text) => {
    const { home, drop, build, status, list } = aHome()
    const entry = drop()
    drop()
    await build()
    for (const name of [entry, `${entry}.build`]) renameSync(join(home, 'ledger/done', name), join(home, 'queue/claimed', name))
    writeFileSync(join(home, 'builds/app/1/result.json'), text)
    mkdirSync(join(home, 'ledger/held'), { recursive: true })
    writeFileSync(join(home, 'ledger/held/1700000000-app~2'), 'app/2\n')
    writeFileSync(join(home, 'builds/app/2/blame.json'), text)
    drop()
    expect(await build()).toMatchObject({ code: 0, stderr: '' })
    expect(['app/1', 'app/3'].map(status)).toEqual(['PASSED', 'PASSED'])
    expect(list('queue/claimed')).toEqual([])
  })

  test('flushes what was asked, planned and kept, and how it ended, before the rename that decides (needs strace: apt-get install strace)', { skip: !canTrace() }, async () => {
    const { home, drop } = aHome({ chunks: { build_packages: 'echo kept > "$ARCHIVE_ROOT/kept.txt"\n' } })
    drop()
    execFileSync('strace', ['-f', '--seccomp-bpf', '-qq', '-y', '-e', 'trace=fsync,rename', '-o', join(home, 'trace'), 'bin/quern', 'build'], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home } })
    const [before] = readFileSync(join(home, 'trace'), 'utf8').split(/^.* rename\(.*\/\.status\.tmp".*$/m)
    const flushed = [...before!.matchAll(/fsync\(\d+<[^>]*\/builds\/app\/1\/([^>]*)>/g)].map((match) => match[1])
    expect(flushed.map((path) => path!.replace(/\.\d+\.tmp$/, '.tmp'))).toEqual(expect.arrayContaining(['request.json', 'plan.json', 'runs/build/artifacts/kept.txt', 'runs/build/.artifacts.json.tmp', '.result.json.tmp', '.status.tmp']))
  })

  test('builds again what a power cut left with a result, but with an empty status', async () => {
    const { home, drop, build, status, result } = aHome()
    const entry = drop()
    await build()
    for (const name of [entry, `${entry}.build`]) renameSync(join(home, 'ledger/done', name), join(home, 'queue/claimed', name))
    for (const name of ['status', 'request.json']) writeFileSync(join(home, 'builds/app/1', name), '')
    await build()
    expect(status('app/1')).toBe('PASSED')
    expect(result('app/1').verdict).toBe('passed')
    expect(JSON.parse(readFileSync(join(home, 'builds/app/1/request.json'), 'utf8'))).toMatchObject({ repository: 'app' })
  })

  test('goes on where what is due cannot be sent, after a build and beside one', async () => {
    const { home, drop, startBuilder, status } = aHome({ chunks: { build_packages: 'case $COMMIT_ID in f*) exit 1 ;; esac; while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE', MAIL_ADMIN: 'admin@example.org' } })
    const gate = join(home, 'gate')
    mkdirSync(join(home, 'outbox/.lock'), { recursive: true })
    drop({ commit_id: 'f'.repeat(40) })
    drop()
    const soon = `data:text/javascript,${encodeURIComponent('const set = setInterval; globalThis.setInterval = (call, time) => set(call, time === 30_000 ? 100 : time)')}`
    const builder = startBuilder([], { QUERN_TEST_GATE: gate, NODE_OPTIONS: `--import ${soon}` })
    const failures = () => (existsSync(join(home, 'logs/build.log')) ? readFileSync(join(home, 'logs/build.log'), 'utf8') : '').split('sending what is due failed').length - 1
    await until('it was tried while a build ran', () => existsSync(join(home, 'builds/app/2/runs/build/console.log')) && failures() > 2)
    writeFileSync(gate, '')
    await exitOf(builder)
    expect(['app/1', 'app/2'].map(status)).toEqual(['FAILED', 'PASSED'])
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

  test('claims two builds more than it has threads for, which are QUEUED until they have a slot and have taken no time until then', async () => {
    const { home, drop, startBuilder, status, result, list } = aHome({ chunks: { build_packages: '[ "$COMMIT_ID" = "$QUERN_TEST_HELD" ] || exit 0\nwhile ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE QUERN_TEST_HELD' } })
    const gate = join(home, 'gate')
    for (const digit of ['1', '2', '3', '4']) drop({ commit_id: digit.repeat(40) })
    const builder = startBuilder([], { QUERN_TEST_GATE: gate, QUERN_TEST_HELD: '1'.repeat(40) })
    await until('two builds wait', () => ['2', '3'].every((number) => existsSync(join(home, `builds/app/${number}/status`)) && status(`app/${number}`) === 'QUEUED'))
    expect(status('app/1')).toBe('RUNNING')
    expect(list('builds/app')).toEqual(['1', '2', '3'])
    const opened = new Date().toISOString()
    writeFileSync(gate, '')
    expect(await exitOf(builder)).toBe(0)
    expect(['1', '2', '3'].map((number) => result(`app/${number}`).started > opened)).toEqual([false, true, true])
    expect(['1', '2', '3', '4'].map((number) => status(`app/${number}`))).toEqual(['PASSED', 'PASSED', 'PASSED', 'PASSED'])
  })

  test('a build that is cancelled while it waits for a slot stays cancelled when the slot gets free', async () => {
    const { home, drop, startBuilder, status, list } = aHome({ chunks: { build_packages: 'while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    for (const digit of ['1', '2']) drop({ commit_id: digit.repeat(40) })
    const builder = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the second build waits', () => existsSync(join(home, 'builds/app/2/status')) && status('app/2') === 'QUEUED')
    writeFileSync(join(home, 'builds/app/2/cancel'), 'cancelled by a test\n')
    await until('it is cancelled', () => status('app/2') === 'CANCELLED')
    writeFileSync(gate, '')
    expect(await exitOf(builder)).toBe(0)
    expect([status('app/1'), status('app/2')]).toEqual(['PASSED', 'CANCELLED'])
    expect(list('ledger/done').filter((name) => !name.endsWith('.build'))).toHaveLength(2)
  })

  test('told to stop, it leaves the build that waits for a slot QUEUED, and the next one builds it under its number', async () => {
    const { home, drop, build, startBuilder, status, result } = aHome({ chunks: { build_packages: 'while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    const entries = ['1', '2'].map((digit) => drop({ commit_id: digit.repeat(40) }))
    const builder = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the second build waits', () => existsSync(join(home, 'builds/app/2/status')) && status('app/2') === 'QUEUED')
    builder.kill('SIGTERM')
    expect(await exitOf(builder)).toBe(0)
    expect([status('app/1'), status('app/2')]).toEqual(['QUEUED', 'QUEUED'])
    writeFileSync(gate, '')
    await build([], { QUERN_TEST_GATE: gate })
    expect(['app/1', 'app/2'].map((name) => [result(name).entry, result(name).verdict])).toEqual(entries.map((entry) => [entry, 'passed']))
  })

  test('told to stop, it leaves a mail server that never comes to an end, and the mail in the outbox', { tags: 'long' }, async () => {
    const trickling = createServer((socket) => {
      socket.write('220 mail\r\n')
      const timer = setInterval(() => socket.write('250-still here\r\n'), 1000)
      socket.on('close', () => clearInterval(timer)).on('error', () => undefined).resume()
    })
    await new Promise<void>((resolve) => trickling.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void trickling.close())
    const { drop, startBuilder, list, status } = aHome({ chunks: { build_packages: 'false\n' }, settings: { SMTP_URL: `smtp://127.0.0.1:${(trickling.address() as AddressInfo).port}` } })
    const connected = once(trickling, 'connection')
    drop()
    const builder = startBuilder()
    await connected
    const start = performance.now()
    builder.kill('SIGTERM')
    expect(await exitOf(builder)).toBe(0)
    // By itself the mail's try ends after two minutes.
    expect(performance.now() - start).toBeLessThan(60_000)
    expect([status('app/1'), list('outbox').filter((name) => name.endsWith('.json')).length]).toEqual(['FAILED', 1])
  })

  test('nothing is executed of a build that was cancelled while it was back in the queue', async () => {
    const { home, drop, build, startBuilder, status } = aHome({ chunks: { build_packages: 'echo run >> "$QUERN_TEST_RUNS"; sleep 60\n' }, settings: { BUILD_ENV: 'QUERN_TEST_RUNS' } })
    const runs = join(home, 'runs')
    drop()
    const builder = startBuilder([], { QUERN_TEST_RUNS: runs })
    await until('it runs', () => existsSync(runs))
    builder.kill('SIGTERM')
    await exitOf(builder)
    expect((await runQuern(home, ['cancel', 'app/1'])).code).toBe(0)
    await build([], { QUERN_TEST_RUNS: runs })
    expect([status('app/1'), readFileSync(runs, 'utf8')]).toEqual(['CANCELLED', 'run\n'])
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

  test('claims no second entry of queue/low for the one slot that a build in its later runs leaves', async () => {
    const wait = 'while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n'
    const { home, drop, startBuilder, list } = aHome({ chunks: { build_packages: wait }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    mkdirSync(join(home, 'job-defs'))
    writeFileSync(join(home, 'job-defs/first.yml'), 'executor: shell\nscript: "true"\n')
    writeFileSync(join(home, 'job-defs/second.yml'), `executor: shell\nneeds: [first]\nscript: |\n  ${wait}`)
    expect((await runQuern(home, ['start', 'second'])).code).toBe(0)
    const gate = join(home, 'gate')
    const builder = startBuilder(['--threads', '2'], { QUERN_TEST_GATE: gate })
    await until('the second run of the build runs', () => existsSync(join(home, 'builds/second/1/runs/second/console.log')))
    mkdirSync(join(home, 'tmp'))
    const low = [drop(), drop()]
    for (const name of low) renameSync(join(home, 'queue', name), join(home, 'tmp', name))
    for (const name of low.toReversed()) renameSync(join(home, 'tmp', name), join(home, 'queue/low', name))
    await until('one of queue/low runs', () => existsSync(join(home, 'builds/app/1/runs')))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(list('queue/low')).toHaveLength(1)
    writeFileSync(gate, '')
    expect(await exitOf(builder)).toBe(0)
    expect(list('builds/app')).toEqual(['1', '2'])
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

  test('sets aside an entry that never comes to a run, however often it is claimed', async () => {
    const { home, drop, build, list, result } = aHome()
    const entry = drop()
    for (const name of ['queue/claimed', 'builds/app/1']) mkdirSync(join(home, name), { recursive: true })
    renameSync(join(home, 'queue', entry), join(home, 'queue/claimed', entry))
    writeFileSync(join(home, `queue/claimed/${entry}.build`), JSON.stringify({ pipeline: 'app', number: 1, attempt: 20, deaths: 2, low: false }))
    writeFileSync(join(home, 'builds/app/1/plan.json'), '{}')
    await build()
    expect(list('queue/bad')).toContain(entry)
    expect(result('app/1')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('3 builders died') })
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

  test('a signal that ends its run and tells it to stop, at one moment, is no verdict on the run', async () => {
    const { home, drop, build, startBuilder, status, result } = aHome({ chunks: { build_packages: '[ -e "$QUERN_TEST_GATE" ] && exit 0\nsleep 300\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(home, 'gate')
    const sleeping = () => processesMarked(home).filter((process) => / sleep 300/.test(process)).map((process) => Number.parseInt(process, 10))
    drop()
    const builder = startBuilder([], { QUERN_TEST_GATE: gate })
    await until('the build runs', () => sleeping().length > 0)
    // A builder that is busy just then hears of both at once.
    builder.kill('SIGSTOP')
    for (const pid of sleeping()) process.kill(pid, 'SIGTERM')
    await until('the run has ended', () => !processesMarked(home).some((process) => process.includes('bash')))
    builder.kill('SIGTERM')
    builder.kill('SIGCONT')
    expect(await exitOf(builder)).toBe(0)
    expect(status('app/1')).toBe('QUEUED')
    writeFileSync(gate, '')
    await build([], { QUERN_TEST_GATE: gate })
    expect(result('app/1')).toMatchObject({ verdict: 'passed', attempt: 2 })
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

  test('an entry that three builders died over is set aside, its build errored, and the administrator told', { tags: 'long' }, async () => {
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

  test.each(['000', '077'])('a job has the umask 022, also where the builder was started with %s', async (mask) => {
    const home = aHome({ chunks: { build_packages: 'umask; touch made; stat -c "made %a" made' } })
    const usual = process.umask(Number.parseInt(mask, 8))
    onTestFinished(() => void process.umask(usual))
    home.drop()
    expect(await home.build()).toMatchObject({ code: 0, stderr: '' })
    expect(home.console('app/1')).toMatch(/^0022\n(?:.*\n)*made 644\n/m)
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
