import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exitOf, until } from '../helpers/a-home.ts'
import { aPush } from '../helpers/a-push.ts'
import { aServer } from '../helpers/a-server.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { smtpListener } from '../helpers/smtp.ts'

const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const byHook = (job: string) => ({ 'quern.yaml': `hooks: [{id: amp_main, secret_env: SECRET, pipeline: "job:${job}"}]\n` })

describe.skipIf(!sandboxed)('a job definition', () => {
  test('is started for a commit as a matrix; configure, make and test go one after the other in one tree, and leave artifacts', async () => {
    const server = await aServer()
    server.write({
      'job-defs/x86/configure.yml': 'workspace: commit\nparams: [{name: mode, choices: [fast, slow]}]\nscript: |\n  echo "configured $mode for $(cat hello.txt)" > config.log\n',
      'job-defs/x86/make.yml': 'needs: [configure]\nworkspace: configure\nparams: [{name: mode, choices: [fast, slow]}]\nscript: mkdir out; cp config.log "out/$mode.txt"\n',
      'job-defs/x86/test.yml': 'needs: [make]\nworkspace: make\nparams: [{name: mode, choices: [fast, slow]}]\nnetwork: false\nartifacts: ["out/*.txt"]\nscript: |\n  cat out/*.txt\n  git rev-parse HEAD\n  grep -c : /proc/net/dev\n  echo "$BRANCH $COMMIT_ID" > "$ARCHIVE_ROOT/log of $mode"\n  ln -s /etc/passwd out/passwd.txt\n',
    })
    const repo = gitRepo()
    const commit = repo.commit({ 'hello.txt': 'the mill\n' })
    repo.commit({ 'hello.txt': 'what came later\n' })
    const started = await server.quern('start', 'x86/test', '--repository', 'acme/app', '--ref', 'refs/heads/main', '--commit', commit, '--clone-url', repo.path, '--run', 'name=quick,params.mode=fast', '--run', 'name=thorough,params.mode=slow', '--json')
    expect(started).toMatchObject({ code: 0, stderr: '' })
    const { runs } = JSON.parse(started.stdout) as { runs: string[] }
    expect(runs).toHaveLength(6)
    await server.build(['--threads', '3'])
    const [build] = server.list('builds').filter((name) => name !== 'index.jsonl')
    expect(server.result(`${build}/1`)).toMatchObject({ verdict: 'passed', commit_id: commit })
    // Not whoever started it, beside whose name the committer's address would stand.
    expect(JSON.parse(server.read(`builds/${build}/1/request.json`))).toMatchObject({ committer_name: 'Carl Committer', committer_email: 'carl@example.org' })
    for (const [run, mode] of [['quick', 'fast'], ['thorough', 'slow']] as const) {
      expect(server.console(`${build}/1`, run)).toBe(`configured ${mode} for the mill\n${commit}\n1\n`)
      const kept = `builds/${build}/1/runs/${run}`
      expect(JSON.parse(server.read(`${kept}/artifacts.json`)).map(({ path }: { path: string }) => path)).toEqual([`out/${mode}.txt`, `log of ${mode}`])
      expect(server.read(`${kept}/artifacts/log of ${mode}`)).toBe(`main ${commit}\n`)
    }
    expect(server.list('cache/work')).toEqual([])
  })

  test('of several runs tells the story of each in summary.log, also of those that never started', async () => {
    const server = await aServer()
    server.write({ 'job-defs/make.yml': 'executor: shell\nscript: exit 2\n', 'job-defs/test.yml': 'needs: [make]\nexecutor: shell\nscript: echo never\n' })
    await server.quern('start', 'test')
    await server.build()
    const sentences = server.read('builds/test/1/summary.log').trim().split('\n').map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, ''))
    expect(sentences.slice(2)).toEqual(['Run make starts.', 'Run make failed with exit code 2.', 'Run test was skipped: it needs make, which failed.', 'The build failed with exit code 2.'])
  })

  test('gets the secrets that it names and the server has; their values are nowhere in records, logs and mails', async () => {
    const smtp = await smtpListener()
    const server = await aServer({ settings: { SMTP_URL: smtp.url } })
    const value = 'not-a-real-key-4711'
    const encoded = Buffer.from(value).toString('base64')
    server.write({
      'secrets.yml': `- DEPLOY_KEY:${value}\n- SIBLING: not-a-real-sibling\n`,
      'job-defs/deploy.yml': `secrets: [DEPLOY_KEY, ABSENT]\nnotify: [{type: email, users: [team@example.org]}]\nartifacts: ["*"]\nscript: |
  set -x
  echo "plain $DEPLOY_KEY"
  echo "coded $(printf %s "$DEPLOY_KEY" | base64)"
  printf "\${DEPLOY_KEY:0:9}"; sleep 0.2; printf "\${DEPLOY_KEY:9:4}"; sleep 0.2; echo "\${DEPLOY_KEY:13}"
  ! env | grep -e SIBLING -e ABSENT
  touch "file-$DEPLOY_KEY"; touch "$ARCHIVE_ROOT/$DEPLOY_KEY"
  exit 4\n`,
    })
    await server.quern('start', 'deploy')
    await server.build()
    expect(server.status('deploy/1')).toBe('FAILED')
    const log = server.console('deploy/1', 'deploy')
    expect(log).toContain('\nplain ***\n')
    expect(log).toContain('\ncoded ***\n')
    expect(log).not.toContain('SIBLING=')
    expect(server.read('builds/deploy/1/summary.log')).toContain('ABSENT is withheld: this server has no secret of that name')
    expect((await server.quern('show', 'deploy/1')).stdout).toMatch(/^withheld +The secret ABSENT is withheld: this server has no secret of that name\.$/m)
    expect(smtp.taken).toMatchObject([{ to: ['team@example.org'], text: expect.stringContaining('plain ***') }])
    expect(server.list('builds/deploy/1/runs/deploy/artifacts')).toEqual(['***', 'file-***'])
    for (const form of [value, encoded]) {
      expect(smtp.taken[0]!.raw).not.toContain(form)
      expect(grep(form, server.home)).toEqual(form === value ? ['secrets.yml'] : [])
    }
  })

  test('whose test results name a secret is told of without it, in the record as in the mail', async () => {
    const smtp = await smtpListener()
    const server = await aServer({ settings: { SMTP_URL: smtp.url } })
    const value = 'not-a-real-key-4712'
    server.write({
      'secrets.yml': `- DEPLOY_KEY:${value}\n`,
      'job-defs/deploy.yml': `secrets: [DEPLOY_KEY]\nnotify: [{type: email, users: [team@example.org]}]\nartifacts: ["*.xml"]\nscript: |
  echo "<testsuite><testcase name='login'><failure message='no entry with $DEPLOY_KEY'>$DEPLOY_KEY</failure></testcase></testsuite>" > results.xml
  seq 100
  exit 4\n`,
    })
    await server.quern('start', 'deploy')
    await server.build()
    expect(smtp.taken).toMatchObject([{ text: expect.stringContaining('no entry with ***') }])
    expect(smtp.taken[0]!.text).not.toContain(value)
    expect(JSON.parse(server.read('builds/deploy/1/runs/deploy/error.json'))).toMatchObject({ tool: 'JUnit', text: 'login', lines: ['login', 'no entry with ***'] })
  })

  test('named by a hook builds pushes at their exact commit with submodules; a commit that a forced push removed is errored with that reason', async () => {
    const library = gitRepo()
    library.commit({ 'mill.txt': 'grist\n' })
    const repo = gitRepo()
    repo.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library.path, 'library')
    const first = aPush(repo, { commit: repo.commit({ 'hello.txt': 'first\n' }, 'First') })
    const second = aPush(repo, { commit: repo.commit({ 'hello.txt': 'second\n' }, 'Second') })
    const lost = aPush(repo, { commit: repo.commit({ 'hello.txt': 'lost\n' }, 'Lost') })
    repo.git('reset', '--quiet', '--hard', 'HEAD^')
    repo.git('reflog', 'expire', '--expire=now', '--all')
    repo.git('gc', '--quiet', '--prune=now')
    const smtp = await smtpListener()
    const server = await aServer({ settings: { SMTP_URL: smtp.url, MAIL_ADMIN: 'admin@example.org' } })
    server.write({ ...byHook('check'), 'job-defs/check.yml': 'workspace: commit\nscript: cat hello.txt library/mill.txt\n' })
    const receiver = await server.serve()
    for (const push of [first, lost, second]) expect(await receiver.deliver(push)).toMatchObject({ status: 202 })
    expect(await server.ended('check/3')).toBe('PASSED')
    await server.idle()
    expect(server.console('check/1', 'check')).toBe('first\ngrist\n')
    expect(server.console('check/3', 'check')).toBe('second\ngrist\n')
    expect(server.result('check/2')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('no longer has the commit') })
    expect(smtp.taken.map(({ to }) => to)).toEqual([['admin@example.org']])
  })

  test('is ended at its timeout, and its users are told', async () => {
    const smtp = await smtpListener()
    const server = await aServer({ settings: { SMTP_URL: smtp.url } })
    server.write({ 'job-defs/slow.yml': 'timeout: 0.01\nnotify: [{type: email, users: [team@example.org, TEAM@example.org, other@example.org]}]\nscript: |\n  setsid sleep 600 &\n  echo begun; sleep 600\n' })
    await server.quern('start', 'slow')
    await server.build()
    expect(server.status('slow/1')).toBe('TIMED-OUT')
    expect(smtp.taken.map(({ to }) => to[0]!.toLowerCase()).toSorted()).toEqual(['other@example.org', 'team@example.org'])
    expect(smtp.taken[0]!.text).toContain('begun')
  })

  test('runs one at a time in its concurrency group, over builds', async () => {
    const server = await aServer({ settings: { BUILD_ENV: 'QUERN_TEST_PLACE' } })
    server.set('QUERN_TEST_PLACE', join(server.home, 'place'))
    server.write({ 'job-defs/deploy.yml': 'executor: shell\nconcurrency: deploy $target\nparams: [{name: target, choices: [here, there]}]\nscript: |\n  mkdir "$QUERN_TEST_PLACE.$target" || exit 1\n  sleep 0.3\n  rmdir "$QUERN_TEST_PLACE.$target"\n' })
    for (const target of ['here', 'here', 'there']) await server.quern('start', 'deploy', '--run', `params.target=${target}`)
    await server.build(['--threads', '4'])
    expect(['1', '2', '3'].map((number) => server.status(`deploy/${number}`))).toEqual(['PASSED', 'PASSED', 'PASSED'])
    const [one, two] = ['1', '2'].map((number) => server.result(`deploy/${number}`).runs[0]!)
    expect(Date.parse(two!.started!)).toBeGreaterThanOrEqual(Date.parse(one!.ended!))
  })

  test('that waits for its group leaves its place to others, and is built when the group is free', async () => {
    const server = await aServer({ settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(server.home, 'gate')
    server.set('QUERN_TEST_GATE', gate)
    server.write({
      'job-defs/deploy.yml': 'executor: shell\nconcurrency: deploy\nscript: while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n',
      'job-defs/other.yml': 'executor: shell\nscript: touch "$QUERN_TEST_GATE"\n',
    })
    for (const job of ['deploy', 'deploy', 'deploy', 'other']) await server.quern('start', job)
    expect((await server.build(['--threads', '2'])).code).toBe(0)
    expect(['deploy/1', 'deploy/2', 'deploy/3', 'other/1'].map(server.status)).toEqual(Array(4).fill('PASSED'))
  })

  test('of many runs at once is built without a word to cron', async () => {
    const server = await aServer()
    server.write({ 'job-defs/wide.yml': 'executor: shell\nparams: [{name: n}]\nscript: sleep 0.2\n' })
    await server.quern('start', 'wide', ...Array.from({ length: 24 }, (_, n) => ['--run', `name=run ${n},params.n=${n}`]).flat())
    expect(await server.build(['--threads', '12'])).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(server.result('wide/1').runs.filter(({ verdict }) => verdict === 'passed')).toHaveLength(24)
  })

  test('that waits for its group can be cancelled while another one holds it', async () => {
    const server = await aServer({ settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
    const gate = join(server.home, 'gate')
    server.set('QUERN_TEST_GATE', gate)
    server.write({ 'job-defs/deploy.yml': 'executor: shell\nconcurrency: deploy\nscript: |\n  touch "$QUERN_TEST_GATE.reached"\n  while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' })
    for (let start = 0; start < 3; start++) await server.quern('start', 'deploy')
    const builder = server.startBuilder(['--threads', '3'])
    await until('the first one holds the group', () => existsSync(`${gate}.reached`) && server.list('builds/deploy').length === 3)
    expect(await server.quern('cancel', 'deploy/2')).toMatchObject({ code: 0 })
    await until('the second one has ended', () => server.status('deploy/2') === 'CANCELLED')
    expect(server.status('deploy/1')).toBe('RUNNING')
    writeFileSync(gate, '')
    expect(await exitOf(builder)).toBe(0)
    expect(['1', '2', '3'].map((number) => server.status(`deploy/${number}`))).toEqual(['PASSED', 'CANCELLED', 'PASSED'])
  })

  test('that says supersede: a newer push of the same ref cancels the older builds, running and waiting', async () => {
    const server = await aServer({ settings: { BUILD_ON_PUSH: '0' } })
    server.write({ ...byHook('check'), 'job-defs/check.yml': 'supersede: true\nworkspace: commit\nscript: |\n  echo begun\n  [ ! -e hang ] || sleep 600\n' })
    const repo = gitRepo()
    const pushes = [repo.commit({ hang: '' }), repo.commit({ hang: '' }, 'Again'), (repo.git('rm', '--quiet', 'hang'), repo.commit({ 'hello.txt': '' }))].map((commit) => aPush(repo, { commit }))
    const receiver = await server.serve()
    await receiver.deliver(pushes[0])
    await receiver.deliver(aPush(repo, { ref: 'refs/heads/other', commit: pushes[2].after }))
    const builder = server.startBuilder()
    await until('the first build runs', () => server.list('builds/check/1/runs').length > 0)
    for (const push of pushes.slice(1)) await receiver.deliver(push)
    expect(await exitOf(builder)).toBe(0)
    const results = ['1', '2', '3', '4'].map((number) => server.result(`check/${number}`))
    expect(results.map(({ ref, verdict }) => `${ref} ${verdict}`)).toEqual(['refs/heads/main cancelled', 'refs/heads/other passed', 'refs/heads/main cancelled', 'refs/heads/main passed'])
    for (const result of [results[0]!, results[2]!]) expect(result.reason).toContain('superseded by')
    expect(server.list('builds/check/3/runs')).toEqual([])
  })
})

/** Files below a directory that hold the text, relative to it. */
function grep(text: string, directory: string): string[] {
  try {
    return execFileSync('grep', ['-r', '-l', '-a', '-F', '-e', text, '.'], { cwd: directory, encoding: 'utf8' }).trim().split('\n').map((path) => path.replace('./', ''))
  } catch {
    return []
  }
}
