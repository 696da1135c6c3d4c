import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseRequest } from '../../src/model/request.ts'
import type { Request } from '../../src/model/request.ts'
import { chunkDirectories, planChunks } from '../../src/plan/chunks.ts'
import type { ChunkSettings } from '../../src/plan/chunks.ts'
import { noGrants } from '../../src/plan/grants.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const commit = '84ce5aeb5cbfe12bf72096f34d93c9f5d148e997'

function request(changes: Partial<Request> = {}): Request {
  return parseRequest({ repository: 'mill', ref: 'refs/heads/main', commit_id: commit, committer_name: 'Ada', committer_email: 'ada@example.org', ...changes })
}

/** A directory of chunks. */
function chunks(files: Record<string, string>): string {
  const directory = tempDir()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

const shipped = { checkout_repos: 'echo shipped checkout\n', build_packages: 'echo shipped build\n' }

function settings(home: Record<string, string>, changes: Partial<ChunkSettings> = {}): ChunkSettings {
  return { directories: [chunks(home), chunks(shipped)], distributeRefs: [], timeout: 60, grants: noGrants, clone: { CLONE_BASE: 'https://example.org/mills', CLONE_WITH: '' }, ...changes }
}

function plannedRun(home: Record<string, string>, asked = request(), changes: Partial<ChunkSettings> = {}) {
  const planned = planChunks(asked, 'because', settings(home, changes))
  if ('ignored' in planned) throw new Error(planned.ignored)
  return planned.runs[0]!
}

/** Executes the script as an executor does: with the planned environment only. */
function execute(home: Record<string, string>, asked = request(), changes: Partial<ChunkSettings> = {}) {
  const run = plannedRun(home, asked, changes)
  const workspace = tempDir()
  writeFileSync(join(workspace, 'script'), run.script)
  const { status, stdout, stderr } = spawnSync('bash', ['script'], { cwd: workspace, encoding: 'utf8', env: { PATH: process.env.PATH, ...run.env } })
  return { status, stdout, stderr, workspace, lines: stdout.split('\n') }
}

describe('the script', () => {
  test('starts, shows each chunk between markers, and says that it succeeded', () => {
    const { status, stdout, stderr } = execute({ distribute_main: 'echo to the world' })
    expect(status).toBe(0)
    expect(stdout.replace(/ at .+/g, ' at …')).toBe(
      `Starting at …
### Start of checkout_repos ###
shipped checkout
### End of checkout_repos ###
### Start of build_packages ###
shipped build
### End of build_packages ###
### Start of distribute_main ###
to the world
### End of distribute_main ###
Successful at …
`,
    )
    expect(stderr, 'only the commands of the chunks are traced').toBe('+ echo shipped checkout\n+ echo shipped build\n+ echo to the world\n')
  })

  test('is bash that stops at the first command that fails, with its exit code', () => {
    expect(plannedRun({}).script).toMatch(/^#!\/bin\/bash\nset -ex\n/)
    const { status, lines } = execute({ build_packages: 'echo before\n(exit 7)\necho after' })
    expect(status).toBe(7)
    expect(lines).toContain('before')
    expect(lines).not.toContain('after')
    expect(lines.some((line) => line.startsWith('Successful'))).toBe(false)
  })

  test.each([
    ['no newline at its end', 'echo one'],
    ['a comment as its last line', 'echo one # done'],
    ['a here-document at its end', 'cat <<EOF\none\nEOF'],
    ['a backslash at its end', 'echo one \\'],
    ['a backslash and a newline at its end', 'echo one \\\n'],
    ['CRLF line ends', 'if true\r\nthen echo one\r\nfi\r\n'],
    ['a byte order mark', '\ufeffecho one\n'],
    ['xtrace switched off', 'set +x\necho one\n'],
  ])('goes on after a chunk with %s', (_, text) => {
    const { status, lines } = execute({ checkout_repos: text })
    expect(status).toBe(0)
    expect(lines.map((line) => line.trim())).toEqual(expect.arrayContaining(['one', '### End of checkout_repos ###', 'shipped build']))
    expect(lines.at(-2)).toMatch(/^Successful at /)
  })

  test('follows a chunk that changes', () => {
    const home = chunks({ build_packages: 'echo one' })
    const script = () => plannedRun({}, request(), { directories: [home, chunks(shipped)] }).script
    expect(script()).toContain('echo one')
    writeFileSync(join(home, 'build_packages'), 'echo two')
    expect(script()).toContain('echo two')
  })

  test('takes an empty chunk', () => expect(execute({ build_packages: '' }).status).toBe(0))
})

describe('which chunks', () => {
  const named = (home: Record<string, string>, changes: Partial<Request> = {}, more: Partial<ChunkSettings> = {}) =>
    [...plannedRun(home, request(changes), more).script.matchAll(/### Start of (\S+) ###/g)].map((match) => match[1])

  test('checkout_repos and build_packages always, shipped where the home has none', () => {
    expect(named({})).toEqual(['checkout_repos', 'build_packages'])
    expect(execute({ build_packages: 'echo of this home' }).lines).toEqual(expect.arrayContaining(['shipped checkout', 'of this home']))
  })

  test('distribute_<n> where n is the last section of the ref', () => {
    expect(named({ distribute_main: '' })).toContain('distribute_main')
    expect(named({ distribute_main: '' }, { ref: 'refs/heads/feature/main' })).toContain('distribute_main')
    expect(named({ distribute_main: '' }, { ref: 'refs/tags/main' })).toContain('distribute_main')
    expect(named({ distribute_main: '' }, { ref: 'refs/heads/main2' })).not.toContain('distribute_main')
    expect(named({ distribute: '' })).not.toContain('distribute')
  })

  test('master counts as main', () => {
    expect(named({ distribute_main: '', distribute_master: '' }, { ref: 'refs/heads/master' })).toEqual(['checkout_repos', 'build_packages', 'distribute_main'])
    expect(named({ build_packages_main: '' , build_packages: '' }, { ref: 'refs/heads/master' })).toContain('build_packages_main')
  })

  test('<chunk>_<n> wins over <chunk>', () => {
    expect(named({ build_packages: '', build_packages_dev: '' }, { ref: 'refs/heads/dev' })).toEqual(['checkout_repos', 'build_packages_dev'])
    expect(named({ build_packages: '', build_packages_dev: '' })).toEqual(['checkout_repos', 'build_packages'])
  })

  test('a home with chunks for other refs only has nothing to build', () => {
    const amp = { checkout_repos_main: '', build_packages_main: '', distribute_main: '' }
    expect(planChunks(request({ ref: 'refs/heads/dev' }), '', settings(amp))).toEqual({ ignored: expect.stringMatching(/^no chunk for refs\/heads\/dev/) })
    expect(named(amp)).toEqual(['checkout_repos_main', 'build_packages_main', 'distribute_main'])
    expect(named({ ...amp, distribute_dev: '' }, { ref: 'refs/heads/dev' }), 'one to distribute is one for this ref').toEqual(['checkout_repos', 'build_packages', 'distribute_dev'])
    expect(named({ distribute_main: '' }, { ref: 'refs/heads/dev' }), 'chunks that only distribute leave the others as shipped').toEqual(['checkout_repos', 'build_packages'])
  })

  test('DISTRIBUTE_REFS restricts distribute to an exact list', () => {
    const home = { distribute_main: '' }
    const only = { distributeRefs: ['refs/heads/main', 'master'] }
    expect(named(home, {}, only)).toContain('distribute_main')
    expect(named(home, { ref: 'refs/heads/master' }, only)).toContain('distribute_main')
    expect(named(home, { ref: 'refs/heads/feature/main' }, only)).not.toContain('distribute_main')
    expect(named(home, { ref: 'refs/tags/main' }, only)).not.toContain('distribute_main')
  })

  test.each<[string, Partial<Request>]>([
    ['untrusted', { source: 'github', trusted: false }],
    ['a pull request', { pull_request: { number: 3, base_ref: 'main' } }],
    ['a pull request by its ref', { ref: 'refs/pull/3/main' }],
  ])('a request that is %s never distributes', (_, changes) => expect(named({ distribute_main: '' }, changes)).toEqual(['checkout_repos', 'build_packages']))

  test.each(['refs/heads/..main', 'refs/heads/a;touch pwned', "refs/heads/'", 'refs/heads/$(id)', `refs/heads/${'x'.repeat(300)}`, 'refs/heads/\u202emain'])(
    'the ref %s names no file',
    (ref) => expect(plannedRun({}, { ...request(), ref }).script).not.toMatch(/pwned|distribute/),
  )

  test('a home that is the checkout itself has one directory of chunks', () => {
    expect(chunkDirectories({ home: '/q', shipped: '/q' })).toEqual(['/q/scripts'])
    expect(chunkDirectories({ home: '/h', shipped: '/q' })).toEqual(['/h/scripts', '/q/scripts'])
  })
})

describe('values', () => {
  const hostile = `x$(touch pwned)\`touch pwned\`;touch pwned|"'`

  test('reach chunks as environment and do nothing to the shell', () => {
    const asked = request({ ref: `refs/heads/${hostile.replaceAll(' ', '')}`, committer_name: `${hostile} \\ *`, committer_email: hostile, message: `${hostile}\nsecond line` })
    const show = 'printf "%s\\n" "{ref}" \'{committer_name}\' "$COMMITTER_EMAIL" "$MESSAGE"\ncat <<EOF\n{committer_email}\nEOF\n'
    const { status, stdout, workspace } = execute({ build_packages: show }, asked)
    expect(status).toBe(0)
    expect(stdout).toContain(`${asked.ref}\n${asked.committer_name}\n${hostile}\n${hostile}\nsecond line\n${hostile}\n`)
    expect(existsSync(join(workspace, 'pwned'))).toBe(false)
  })

  test('are in no script', () => {
    const { script } = plannedRun({ build_packages: 'echo {repository} {ref} {commit_id} {committer_name} {committer_email}' }, request({ repository: 'unmistakable', committer_name: 'Mistakable' }))
    expect(script).not.toMatch(/unmistakable|Mistakable|84ce5aeb|example\.org/)
  })

  test('are all that a run knows', () => {
    expect(plannedRun({}, request({ full_name: 'mills/mill', before: 'a'.repeat(40) })).env).toEqual({
      CI: 'true', QUERN: 'true', REPOSITORY: 'mill', REF: 'refs/heads/main', COMMIT_ID: commit, COMMITTER_NAME: 'Ada', COMMITTER_EMAIL: 'ada@example.org',
      BRANCH: 'main', CLONE_URL: 'https://example.org/mills/mill.git', FULL_NAME: 'mills/mill', BEFORE: 'a'.repeat(40),
    })
  })
})

test('of the builds that distribute a branch, one runs at a time', () => {
  expect(plannedRun({ distribute_main: '' }, request({ full_name: 'mills/mill' })).group).toBe('distribute mills/mill refs/heads/main')
  expect(plannedRun({})).not.toHaveProperty('group')
})

test('chunks of trusted requests run in the shell, of untrusted ones in the sandbox without network', () => {
  expect(plannedRun({})).toMatchObject({ executor: 'shell', network: true, workspace: 'none', timeout: 60 })
  const untrusted = request({ source: 'github', trusted: false })
  expect(plannedRun({}, untrusted)).toMatchObject({ executor: 'sandbox', network: false, secrets: [] })
  expect(plannedRun({}, untrusted, { grants: { ...noGrants, untrusted_network: ['mill'] } })).toMatchObject({ executor: 'sandbox', network: true })
})

describe('a chunk that cannot be used names itself and what was expected', () => {
  test('missing', () => {
    const nowhere = tempDir()
    expect(() => plannedRun({}, request(), { directories: [nowhere] })).toThrow(`no chunk checkout_repos: expected a file of that name in ${nowhere}`)
  })

  test('a directory, a pipe', () => {
    const home = chunks({})
    mkdirSync(join(home, 'build_packages'))
    expect(() => plannedRun({}, request(), { directories: [home, chunks(shipped)] })).toThrow(/chunk .*\/build_packages: expected a file of bash text, it is a directory/)
    rmSync(join(home, 'build_packages'), { recursive: true })
    execFileSync('mkfifo', [join(home, 'build_packages')])
    expect(() => plannedRun({}, request(), { directories: [home, chunks(shipped)] })).toThrow(/it is a special file/)
  })

  test('unreadable', () => {
    const home = chunks({ build_packages: '' })
    const others = chunks(shipped)
    for (const directory of [home, others]) chmodSync(directory, 0o755)
    chmodSync(join(home, 'build_packages'), 0)
    // Root reads every file: this test is then somebody else for a moment.
    const root = process.geteuid?.() === 0
    if (root) process.seteuid?.(65_534)
    try {
      expect(() => plannedRun({}, request(), { directories: [home, others] })).toThrow(/not readable for this user; chmod a\+r/)
    } finally {
      if (root) process.seteuid?.(0)
    }
  })

  test.each([
    ['a NUL byte', 'echo \0', /holds a NUL byte/],
    ['more than 1 MiB', '#'.repeat(1024 * 1024 + 1), /at most 1 MiB/],
    ['an open here-document', 'true\ncat <<EOF\nno end', /a here-document opened on line 2 is not closed.*bash says/],
    ['an open quote', "echo 'one", /single quotes opened on line 1 is not closed/],
    ['a placeholder in a quoted here-document', "cat <<'EOF'\n{ref}\nEOF\n", /build_packages, line 2: \{ref\} stands in/],
  ])('%s', (_, text, message) => expect(() => plannedRun({ build_packages: text })).toThrow(message))
})
