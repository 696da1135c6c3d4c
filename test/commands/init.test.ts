import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseEnvironment } from '../../src/config/environment.ts'
import { aRequest } from '../helpers/a-request.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a new home has its directories, a secret that only its owner reads, and a next step', async () => {
  const home = join(tempDir(), 'my ci')
  const { code, stdout, stderr } = await runQuern(undefined, ['init', home])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const name of ['queue/low', 'queue/tmp', 'queue/bad', 'outbox/dead', 'ledger/delivery', 'logs', 'scripts']) expect(statSync(join(home, name)).isDirectory()).toBe(true)
  expect(statSync(home).mode & 0o777).toBe(0o700)
  expect(statSync(join(home, 'environment.sh')).mode & 0o777).toBe(0o600)
  const { values } = parseEnvironment(readFileSync(join(home, 'environment.sh'), 'utf8'), 'environment.sh')
  expect(values).toEqual({ SECRET: expect.stringMatching(/^[0-9a-f]{64}$/), DISTRIBUTE_REFS: 'refs/heads/main,refs/heads/master' })
  expect(stdout).toContain(`* * * * * QUERN_HOME='${home}' ${process.cwd()}/bin/quern build --threads 2`)
  expect(stdout).toContain(':8196/webhook/amp_main')
  expect(stdout).not.toContain(values['SECRET'])
})

test('the crontab line that it prints builds, under the bare environment of cron and with blanks, quotes and % in the path', async () => {
  const home = join(tempDir(), "it's 100% mine")
  const { stdout } = await runQuern(undefined, ['init', home])
  const line = stdout.split('\n').find((text) => text.includes('* * * * *'))!
  appendFileSync(join(home, 'environment.sh'), `export NODE="${process.execPath}"\nexport SMTP_URL="smtp://127.0.0.1:1"\n`)
  for (const chunk of ['checkout_repos', 'build_packages']) writeFileSync(join(home, 'scripts', chunk), 'echo "$REPOSITORY"\n')
  writeFileSync(join(home, 'queue/mine.json'), JSON.stringify(aRequest({ clone_url: '/nowhere' })))
  // What cron(8) does: five fields off, the rest from a bare % on is input, \\% unescaped; /bin/sh -c with these variables and no others.
  const command = line.trim().split(' ').slice(5).join(' ').split(/(?<!\\)%/)[0]!.replaceAll('\\%', '%')
  execFileSync('/bin/sh', ['-c', command], { env: { PATH: '/usr/bin:/bin', HOME: '/', LOGNAME: 'root', SHELL: '/bin/sh' }, stdio: 'ignore', cwd: '/' })
  expect(readFileSync(join(home, 'builds/app/1/status'), 'utf8')).toBe('PASSED\n')
})

test('two homes have two secrets', async () => {
  const directory = tempDir()
  await Promise.all(['a', 'b'].map((name) => runQuern(undefined, ['init', join(directory, name)])))
  const [one, other] = ['a', 'b'].map((name) => readFileSync(join(directory, name, 'environment.sh'), 'utf8'))
  expect(one).not.toBe(other)
})

test('a home that is there is not touched', async () => {
  const home = tempDir()
  writeFileSync(join(home, 'environment.sh'), '# mine\n')
  const { code, stderr } = await runQuern(undefined, ['init', home])
  expect(code).toBe(2)
  expect(stderr).toContain('is a home already')
  expect(readFileSync(join(home, 'environment.sh'), 'utf8')).toBe('# mine\n')
})

test('a place that cannot be made is told without a stack', async () => {
  const file = join(tempDir(), 'file')
  writeFileSync(file, '')
  const { code, stderr } = await runQuern(undefined, ['init', join(file, 'home')])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^quern: cannot make a home in .*\n$/)
})

test.each(['two\nlines', 'back\\slash'])('a path that git or pipeline files could not be read from is refused: %j', async (name) => {
  const directory = tempDir()
  expect(await runQuern(undefined, ['init', join(directory, name)])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^quern: cannot make a home in .* neither a backslash nor a line break\n$/) })
  expect(readdirSync(directory)).toEqual([])
})

test('a place in which nothing can be made, or a link that leads nowhere, is told at once', async () => {
  const directory = tempDir()
  symlinkSync(join(directory, 'nowhere'), join(directory, 'link'))
  for (const place of ['/proc/home/ci', join(directory, 'link'), join(directory, 'link/home')]) {
    const { code, stderr } = await runQuern(undefined, ['init', place])
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^quern: cannot make a home in .*, mkdir .*\. Choose a directory that you may write to.*\n$/) })
  }
  expect(readdirSync(directory)).toEqual(['link'])
})

test.skipIf(process.getuid?.() === 0)('a directory that only root may make is told with root’s command', async () => {
  const closed = tempDir()
  chmodSync(closed, 0o500)
  const { code, stderr } = await runQuern(undefined, ['init', join(closed, 'home')])
  expect(code).toBe(2)
  expect(stderr).toContain(`have root make it: install -d -o ${userInfo().username} -m 700 ${join(closed, 'home')}`)
})
