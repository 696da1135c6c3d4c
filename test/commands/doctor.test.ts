import { execFile, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { homeId } from '../../src/build/world.ts'
import type { Check } from '../../src/commands/doctor/check.ts'
import { startsBuilder } from '../../src/commands/doctor/cron.ts'
import { checkNode } from '../../src/commands/doctor/programs.ts'
import { isNear } from '../../src/commands/doctor/settings.ts'
import { inactiveToken, maintainerToken, startFakePatchwork } from '../helpers/fake-patchwork.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { receiver } from '../helpers/receiver.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { smtpListener } from '../helpers/smtp.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const root = process.getuid?.() === 0

/** A home in which nothing is wrong: just made, its receiver and mail server answering, ticked a moment ago. */
async function soundHome(status = 200) {
  const home = join(tempDir(), 'home')
  await runQuern(undefined, ['init', home])
  const smtp = await smtpListener()
  const receiver = createServer((_, response) => void response.writeHead(status).end())
  await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void receiver.close().closeAllConnections())
  const settings = join(home, 'environment.sh')
  appendFileSync(settings, `export SMTP_URL="${smtp.url}"\nexport PORT="${(receiver.address() as AddressInfo).port}"\nexport HOST="127.0.0.1"\nexport MAIL_ADMIN="admin@example.org"\n`)
  writeFileSync(join(home, 'logs/tick'), '')
  return { home, settings, smtp, receiver }
}

async function examine(home: string): Promise<{ code: number | null; checks: Check[]; state: (name: string) => string; check: (name: string) => Check }> {
  const { code, stdout } = await runQuern(home, ['doctor', '--json'])
  const { checks } = JSON.parse(stdout) as { checks: Check[] }
  const check = (name: string) => checks.find((one) => one.name === name)!
  return { code, checks, check, state: (name) => check(name).state }
}

test('a sound home is told so, and no mail is sent', async () => {
  const { home, smtp } = await soundHome()
  const { code, checks } = await examine(home)
  expect(checks.filter(({ state }) => state === 'wrong')).toEqual([])
  expect(code).toBe(0)
  expect(smtp.connections()).toBe(1)
  expect(smtp.taken).toEqual([])
  expect((await runQuern(home, ['doctor'])).stdout).toMatch(/Nothing stops Quern from working[.;]/)
})

test('what is wrong is named with its remedy, and the exit code is 1', async () => {
  const { home, smtp, receiver } = await soundHome()
  await smtp.close()
  receiver.close()
  rmSync(join(home, 'logs/tick'))
  rmSync(join(home, 'queue/bad'), { recursive: true })
  writeFileSync(join(home, 'queue/bad'), '')
  const { code, checks, state } = await examine(home)
  expect(code).toBe(1)
  expect(['mail server', 'receiver', 'cron', 'directories'].map(state)).toEqual(['wrong', 'wrong', 'wrong', 'wrong'])
  expect(checks.every((check) => check.state === 'ok' || check.remedy)).toBe(true)
  expect((await runQuern(home, ['doctor'])).stdout).toContain(`do: crontab -e, and add: * * * * * QUERN_HOME=${home} ${process.cwd()}/bin/quern build --threads 2`)
})

async function examineAsNobody(home: string): Promise<(name: string) => Check> {
  const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups']
  const env = { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }
  const { stdout } = await promisify(execFile)('setpriv', [...asNobody, 'bin/quern', 'doctor', '--json'], { env }).catch((error: { stdout: string }) => error)
  const { checks } = JSON.parse(stdout) as { checks: Check[] }
  return (name) => checks.find((check) => check.name === name)!
}

test.runIf(root)('another user than the owner of the home is told to be that one, not to take the home away', async () => {
  const { home } = await soundHome()
  spawnSync('chmod', ['-R', 'go+rX', dirname(home)])
  const check = await examineAsNobody(home)
  expect(check('directories')).toMatchObject({ state: 'wrong', remedy: `${home} belongs to user 0, and you are 65534: call doctor as the user that cron and the receiver run as` })
})

test.runIf(root)('what root has left in the home of another user is named to both, with the command that gives it back', async () => {
  const { home } = await soundHome()
  mkdirSync(join(home, 'builds/app/1'), { recursive: true })
  for (const name of ['logs/build.log', 'ledger/2026-01-01.jsonl', 'queue/.lock']) writeFileSync(join(home, name), '')
  const give = (uid: number, path: string) => spawnSync('chown', ['-R', `${uid}:${uid}`, path])
  chmodSync(dirname(home), 0o755)
  give(65534, home)
  // An entry that root dropped in by hand is only renamed.
  writeFileSync(join(home, 'queue/1767225600.000001-0a1b2c3d.json'), '{}')
  expect((await examineAsNobody(home))('owner').state).toBe('ok')
  expect((await examine(home)).state('owner')).toBe('ok')
  for (const name of ['logs/build.log', 'ledger/2026-01-01.jsonl', 'queue/.lock', 'builds/app/1']) {
    const path = join(home, name)
    give(0, path)
    const told = { state: 'wrong', found: expect.stringContaining(`${path}, which belongs to user 0`), remedy: `give it back, as root: chown -R 65534 ${home}` }
    expect((await examineAsNobody(home))('owner')).toMatchObject(told)
    expect((await examine(home)).check('owner')).toMatchObject(told)
    give(65534, path)
  }
})

test.runIf(root)('a user who may not enter the home is told so, by --json, too', async () => {
  const { home } = await soundHome()
  chmodSync(dirname(home), 0o755)
  const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups']
  const env = { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }
  const { stdout } = await promisify(execFile)('setpriv', [...asNobody, 'bin/quern', 'doctor', '--json'], { env }).catch((error: { stdout: string }) => error)
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, checks: [{ name: 'home', state: 'wrong', found: expect.stringContaining('permission denied'), remedy: expect.stringContaining('call doctor as the user') }] })
})

/** What the user of a home, an ordinary one as NOBODY, is told on a host that a shell command, as root in a mount namespace, has changed. */
async function examineOnHost(change: string, home: string): Promise<(name: string) => Check> {
  spawnSync('sh', ['-c', 'chmod 755 "$0/.." && chown -R 65534:65534 "$0"', home])
  const asNobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
  const env = { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }
  const { stdout } = await promisify(execFile)('unshare', ['--mount', 'sh', '-c', change.replace('NOBODY', asNobody)], { env }).catch((error: { stdout: string }) => error)
  const { checks } = JSON.parse(stdout) as { checks: Check[] }
  return (name) => checks.find((check) => check.name === name)!
}

const withSandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

test.runIf(root && withSandbox)('a bubblewrap that may make no namespaces is no sandbox, and how to allow them is told for it and for ending jobs', async () => {
  const { home } = await soundHome()
  const forbidden = 'exec NOBODY unshare --user --map-current-user --keep-caps sh -c "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all bin/quern doctor --json"'
  const check = await examineOnHost(forbidden, home)
  expect(check('sandbox')).toMatchObject({ state: 'warning', found: expect.stringContaining('bwrap: '), remedy: expect.stringContaining('sysctl') })
  expect(check('ending jobs')).toMatchObject({ state: 'warning', remedy: check('sandbox').remedy })
})

test.runIf(root && withSandbox)('where a part of /proc is covered, that is told, and no sysctl', async () => {
  const { home } = await soundHome()
  const check = await examineOnHost('mount --bind /dev/null /proc/uptime && exec NOBODY bin/quern doctor --json', home)
  for (const name of ['sandbox', 'ending jobs']) expect(check(name)).toMatchObject({ state: 'warning', remedy: expect.stringMatching(/^a part of \/proc is covered here, (?!.*sysctl)/) })
})

test.runIf(root && withSandbox && isInstalled('slirp4netns', 'apt-get install slirp4netns'))('a granted network that the host does not let be made is wrong, the sandbox beside it is not', async () => {
  const { home } = await soundHome()
  writeFileSync(join(home, 'quern.yaml'), JSON.stringify({ grants: { untrusted_network: ['example/app'] } }))
  const check = await examineOnHost('mkdir -p /dev/net && mount -t tmpfs none /dev/net && exec bin/quern doctor --json', home)
  expect(check('network')).toMatchObject({ state: 'wrong', remedy: expect.stringContaining('/dev/net/tun') })
  expect(check('sandbox').state).toBe('ok')
})

test.runIf(isInstalled('podman', 'apt-get install podman'))('an engine that this user cannot use is wrong where a job definition names an image', async () => {
  const { home, settings } = await soundHome()
  appendFileSync(settings, 'export ENGINE_OPTIONS="--no-such-option"\n')
  expect((await examine(home)).state('containers')).toBe('ok')
  writeFileSync(join(home, 'job-defs/image.yml'), 'containers: [{image: debian}]\nscript: make\n')
  expect((await examine(home)).check('containers')).toMatchObject({ state: 'wrong', found: expect.stringMatching(/cannot be used by .*, and the job image names an image: .*no-such-option/s) })
})

test('warnings alone leave the exit code 0', async () => {
  const { home, settings } = await soundHome()
  chmodSync(settings, 0o644)
  writeFileSync(settings, readFileSync(settings, 'utf8').replace(/^export SECRET=.*$/m, 'export SECRET="short"').replace(/^export MAIL_ADMIN/m, 'export MAIL_ADMN'))
  writeFileSync(join(home, 'outbox/dead/0a1b.json'), '{}')
  writeFileSync(join(home, 'outbox/1-0a1b.json'), '{}')
  utimesSync(join(home, 'outbox/1-0a1b.json'), 1, 1)
  writeFileSync(join(home, 'queue/bad/x.json.reason'), 'not JSON \u001b[2J\n')
  writeFileSync(join(home, 'queue/4000000000.000001-0a1b2c3d.json'), '{}')
  mkdirSync(join(home, 'builds/tool/1'), { recursive: true })
  const { code, check } = await examine(home)
  expect(code).toBe(0)
  const found = Object.fromEntries(['environment.sh', 'secret', 'names', 'MAIL_ADMIN', 'undelivered', 'outbox', 'queue', 'clock', 'index'].map((name) => [name, check(name)]))
  expect(Object.values(found).map(({ state }) => state)).toEqual(Array(9).fill('warning'))
  expect(found['names']).toMatchObject({ found: expect.stringContaining('sets MAIL_ADMN'), remedy: 'did you mean MAIL_ADMIN?' })
  expect(found['queue']!.found).toBe('1 entry was set aside; x.json: not JSON')
})

test('secrets that others may read, tokens that are missing and secrets in quern.yaml are found', async () => {
  const { home } = await soundHome()
  writeFileSync(join(home, 'secrets.yml'), 'TOKEN: not-a-real-token\n', { mode: 0o644 })
  const structure = {
    hooks: [{ id: 'a', secret: 'not-a-real-secret-at-all' }],
    patchwork: [{ url: 'https://patchwork.example.org', project: 'tool', tree: 'https://git.example.org/tool.git', pipelines: ['chunks'], token_env: 'NO_SUCH_TOKEN' }],
  }
  writeFileSync(join(home, 'quern.yaml'), JSON.stringify(structure), { mode: 0o644 })
  const { code, check } = await examine(home)
  expect(code).toBe(1)
  expect(check('secrets')).toMatchObject({ state: 'wrong', found: expect.stringContaining('chmod 600') })
  expect(check('patchwork')).toMatchObject({ state: 'wrong', found: 'the token of tool is to be in NO_SUCH_TOKEN, which is not set' })
  expect(check('quern.yaml').state).toBe('warning')
})

test('a Patchwork server is asked for its project and whether it takes the token, and nothing is posted', async () => {
  const fake = await startFakePatchwork()
  onTestFinished(() => fake.close())
  const { home, settings } = await soundHome()
  const environment = readFileSync(settings, 'utf8')
  const look = async (token: string, changes: Record<string, unknown> = {}) => {
    writeFileSync(settings, `${environment}export PATCHWORK_TOKEN="${token}"\n`)
    writeFileSync(join(home, 'quern.yaml'), JSON.stringify({ patchwork: [{ url: fake.url, project: 'ffmpeg', tree: 'https://git.example.org/tool.git', pipelines: ['chunks'], token_env: 'PATCHWORK_TOKEN', ...changes }] }))
    return (await examine(home)).check('patchwork')
  }
  expect(await look(maintainerToken)).toMatchObject({ state: 'ok', found: `ffmpeg at ${fake.url}, its token is accepted` })
  expect(await look(inactiveToken)).toMatchObject({ state: 'wrong', found: expect.stringContaining('refuses the token in PATCHWORK_TOKEN: User inactive or deleted.') })
  expect(await look(maintainerToken, { project: 'fmpeg' })).toMatchObject({ state: 'wrong', found: `${fake.url} knows no project fmpeg` })
  fake.troubles.push({ match: /./, times: 1, status: 502, body: '<html>' })
  expect(await look(maintainerToken)).toMatchObject({ state: 'warning' })
  expect(fake.requests.filter(({ method }) => method !== 'GET')).toEqual([])
})

test('a job that quern.yaml names and that is not defined, or not rightly, is found', async () => {
  const { home } = await soundHome()
  const hooks = ['good', 'bad', 'nosuch'].map((job) => ({ id: job, secret_env: 'SECRET', pipeline: `job:${job}` }))
  const patchwork = [{ url: 'http://127.0.0.1:9', project: 'tool', tree: 'https://git.example.org/tool.git', pipelines: ['chunks', 'job:none'] }]
  writeFileSync(join(home, 'quern.yaml'), JSON.stringify({ hooks, patchwork }))
  writeFileSync(join(home, 'job-defs/good.yml'), 'script: make\n')
  writeFileSync(join(home, 'job-defs/bad.yml'), 'scrip: make\n')
  const { code, checks } = await examine(home)
  expect(code).toBe(1)
  expect(checks.filter(({ name }) => name === 'pipelines').map(({ state, found }) => [state, found])).toEqual([
    ['wrong', expect.stringMatching(/^quern\.yaml names job:bad for the hook bad: .*bad\.yml:1: /)],
    ['wrong', expect.stringContaining(`quern.yaml names job:nosuch for the hook nosuch: no job nosuch: expected a file ${home}/job-defs/nosuch.yml`)],
    ['wrong', expect.stringContaining('quern.yaml names job:none for the Patchwork project tool: no job none')],
  ])
})

test('a mail server that is there, and spoken to in a way that it does not take, is not to be installed', async () => {
  const { home, settings } = await soundHome()
  const asking = await smtpListener({ login: { user: 'ci', password: 'right' } })
  const environment = readFileSync(settings, 'utf8')
  const remedy = async (url: string) => {
    writeFileSync(settings, `${environment}export SMTP_URL="${url}"\n`)
    return (await examine(home)).check('mail server').remedy
  }
  expect(await remedy(asking.url.replace('//', '//ci:wrong@'))).toContain('somebody answers there')
  expect(await remedy(asking.url.replace('smtp:', 'smtps:'))).toContain('somebody answers there')
  await asking.close()
  expect(await remedy(asking.url)).toContain('start a mail server there')
})

test('a receiver that is not ours is told apart', async () => {
  const { home } = await soundHome(404)
  const { code, check } = await examine(home)
  expect(code).toBe(1)
  expect(check('receiver').found).toContain('answers 404 instead of 200')
})

test('the receiver of another home on the same port is told from that of this one', async () => {
  const { home, settings } = await soundHome()
  const look = async (answering: string) => {
    const { url } = await receiver({ homeId: answering })
    appendFileSync(settings, `export PORT="${new URL(url).port}"\n`)
    utimesSync(settings, 0, 0)
    return (await examine(home)).check('receiver')
  }
  expect(await look(homeId(home))).toMatchObject({ state: 'ok' })
  expect(await look(homeId(tempDir()))).toMatchObject({ state: 'wrong', found: expect.stringContaining('the receiver of another home') })
})

test('a receiver that was started before its settings were changed is told, since it goes by the former ones', async () => {
  const { home, settings } = await soundHome()
  const { url } = await receiver({ homeId: homeId(home) })
  const later = Date.now() / 1000 + 60
  appendFileSync(settings, `export PORT="${new URL(url).port}"\n`)
  utimesSync(settings, later, later)
  expect((await examine(home)).check('receiver')).toMatchObject({ state: 'warning', found: expect.stringContaining('started before environment.sh was changed') })
  utimesSync(settings, 0, 0)
  writeFileSync(join(home, 'quern.yaml'), '{}\n')
  utimesSync(join(home, 'quern.yaml'), later, later)
  expect((await examine(home)).check('receiver')).toMatchObject({ state: 'warning', found: expect.stringContaining('started before quern.yaml was changed') })
})

test('with settings that cannot be read, everything else is still looked at', async () => {
  const { home, settings } = await soundHome()
  appendFileSync(settings, 'export THREADS="many"\n')
  const { code, check, checks } = await examine(home)
  expect(code).toBe(1)
  expect(check('settings').found).toMatch(/environment\.sh:\d+: THREADS: expected a whole number from 1 to 256, got "many"/)
  expect(checks.map(({ name }) => name)).toContain('disk')
})

test('a directory that is no home is told as one thing that is wrong', async () => {
  const { code, check } = await examine(join(tempDir(), 'nowhere'))
  expect(code).toBe(1)
  expect(check('home')).toMatchObject({ state: 'wrong', remedy: expect.stringContaining('quern init') })
})

test('an old tick says that cron does not run', async () => {
  const { home } = await soundHome()
  utimesSync(join(home, 'logs/tick'), Date.now() / 1000 - 7200, Date.now() / 1000 - 7200)
  expect((await examine(home)).check('cron').found).toContain('the builder was started 2 h 0 min ago')
})

test('a line of cron that is not of every minute is told, and that none was found, however young the tick is', async () => {
  const { home } = await soundHome()
  const programs = tempDir()
  const line = `QUERN_HOME=${home} ${process.cwd()}/bin/quern build`
  const look = async (crontab: string) => {
    writeFileSync(join(programs, 'crontab'), `#!/bin/sh\ncat <<'END'\n${crontab}\nEND\n`, { mode: 0o755 })
    const { stdout } = await runQuern(home, ['doctor', '--json'], { env: { PATH: `${programs}:${process.env['PATH']}` } })
    return (JSON.parse(stdout) as { checks: Check[] }).checks.find(({ name }) => name === 'cron')!
  }
  expect(await look(`* * * * * ${line}`)).toMatchObject({ state: 'ok' })
  expect(await look(`@reboot ${line}\n*/1 * * * * ${line}`)).toMatchObject({ state: 'ok' })
  for (const schedule of ['0 * * * *', '@hourly']) expect(await look(`${schedule} ${line}`)).toMatchObject({ state: 'warning', found: expect.stringContaining('the line in your crontab does not start the builder each minute') })
  expect(await look('')).toMatchObject({ state: 'warning', found: expect.stringContaining('no line of cron was found'), remedy: expect.stringContaining(`* * * * * ${line} --threads 2`) })
})

test('it changes nothing', async () => {
  const { home } = await soundHome()
  const listing = () => spawnSync('find', [home, '-printf', '%p %T@ %s\n'], { encoding: 'utf8' }).stdout
  const before = listing()
  await runQuern(home, ['doctor'])
  expect(listing()).toBe(before)
})

test.runIf(root)('root, who looks into the home of another user, is told of the crontab of that one', async () => {
  const { home } = await soundHome()
  const programs = tempDir()
  spawnSync('chown', ['-R', '65534', home])
  const line = `* * * * * QUERN_HOME=${home} ${process.cwd()}/bin/quern build`
  const look = async (user: string) => {
    writeFileSync(join(programs, 'crontab'), `#!/bin/sh\n[ "$*" != '${user}-l' ] || echo '${line}'\n`, { mode: 0o755 })
    const { stdout } = await runQuern(home, ['doctor', '--json'], { env: { PATH: `${programs}:${process.env['PATH']}` } })
    return (JSON.parse(stdout) as { checks: Check[] }).checks.find(({ name }) => name === 'cron')!
  }
  const name = spawnSync('id', ['-un', '65534'], { encoding: 'utf8' }).stdout.trim()
  expect(await look(`-u ${name} `)).toMatchObject({ state: 'ok', found: expect.stringContaining(`the crontab of ${name}`) })
  // The line of root itself builds nothing there.
  expect(await look('')).toMatchObject({ state: 'warning', remedy: expect.stringContaining(`crontab -u ${name} -e, and add`) })
})

test('beside a receiver that answers, it makes no home where there is none', async () => {
  const { home } = await soundHome()
  const listening = createServer((_request, response) => void response.end(JSON.stringify({ home: homeId(home) })))
  await new Promise<void>((resolve) => void listening.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void listening.close().closeAllConnections())
  const gone = join(dirname(home), 'gone')
  const { stdout } = await runQuern(gone, ['doctor'], { env: { PORT: String((listening.address() as AddressInfo).port) } })
  expect(stdout).toContain('is answered by the receiver of another home')
  expect(existsSync(gone)).toBe(false)
})

test('a crontab line counts for the home that it names', () => {
  const [home, checkout] = [tempDir(), process.cwd()]
  expect(startsBuilder(`* * * * * QUERN_HOME=${home} ${checkout}/bin/quern build --threads 2\n`, home)).toBe(true)
  expect(startsBuilder(`* * * * * QUERN_HOME='${home}' '${checkout}/bin/quern' build\n`, home)).toBe(true)
  expect(startsBuilder(`* * * * * root ${checkout}/bin/quern build\n`, checkout)).toBe(true)
  expect(startsBuilder(`* * * * * ${checkout}/bin/quern build\n`, home)).toBe(false)
  expect(startsBuilder(`QUERN_HOME = "${home}"\n* * * * * ${checkout}/bin/quern build\n`, home)).toBe(true)
  expect(startsBuilder(`* * * * * ${checkout}/bin/quern build\nQUERN_HOME=${home}\n`, home)).toBe(false)
  expect(startsBuilder(`# * * * * * QUERN_HOME=${home} ${checkout}/bin/quern build\n`, home)).toBe(false)
  expect(startsBuilder(`* * * * * QUERN_HOME=${home} ${checkout}/bin/quern prune\n`, home)).toBe(false)
})

test('a crontab line that calls a Quern which is not there any more counts for nothing', () => {
  const place = tempDir()
  const moved = `* * * * * QUERN_HOME=${place} ${place}/100\\%/bin/quern build\n`
  expect(startsBuilder(moved, place)).toBe(false)
  mkdirSync(join(place, '100%/bin'), { recursive: true })
  writeFileSync(join(place, '100%/bin/quern'), '')
  expect(startsBuilder(moved, place)).toBe(true)
  expect(startsBuilder(`* * * * * QUERN_HOME=${place} quern build\n`, place)).toBe(true)
})

test('Node is old below 20.19', () => {
  expect(['18.20.1', '20.18.3', '20.19.0', '22.1.0'].map((version) => checkNode(version).state)).toEqual(['wrong', 'wrong', 'ok', 'ok'])
})

test('a name is near another by one slip', () => {
  expect([isNear('SMTP_ULR', 'SMTP_URL'), isNear('SMTPURL', 'SMTP_URL'), isNear('SMTP_URLS', 'SMTP_URL'), isNear('SMTP_URX', 'SMTP_URL')]).toEqual([true, true, true, true])
  expect([isNear('AMP_ROOT', 'SMTP_URL'), isNear('CC', 'PORT'), isNear('HOST', 'PORT')]).toEqual([false, false, false])
})
