import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { planChunks } from '../../src/plan/chunks.ts'
import { noGrants } from '../../src/plan/grants.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** Git as on a fresh account, and a wish to build what local paths hold. */
const gitEnvironment = {
  PATH: process.env.PATH!,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.org', GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.org',
}

function git(directory: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: directory, encoding: 'utf8', env: gitEnvironment, stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** A repository with one commit of these files on `main`; those that begin with `#!` are executable. */
function repository(files: Record<string, string>): string {
  const directory = tempDir()
  git(directory, 'init', '--quiet', '--initial-branch=main')
  commit(directory, files)
  return directory
}

function commit(directory: string, files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
    if (text.startsWith('#!')) chmodSync(join(directory, name), 0o755)
  }
  git(directory, 'add', '--all')
  git(directory, 'commit', '--quiet', '--allow-empty', '-m', 'a commit')
  return git(directory, 'rev-parse', 'HEAD')
}

interface Asked {
  url: string
  commit?: string
  ref?: string
  repository?: string
  chunks?: string
  environment?: Record<string, string>
}

/** Plans the request with the chunks as they are shipped and executes the script in a fresh directory. */
function build({ url, commit: id = git(url, 'rev-parse', 'HEAD'), ref = 'refs/heads/main', repository: name = 'mill', chunks = 'scripts', environment = {} }: Asked) {
  const request = { repository: name, ref, commit_id: id, committer_name: 'Ada', committer_email: 'ada@example.org', clone_url: url }
  const planned = planChunks(request, '', { directories: [chunks], distributeRefs: [], timeout: 60, grants: noGrants, clone: { CLONE_BASE: '', CLONE_WITH: '' } })
  if ('ignored' in planned) throw new Error(planned.ignored)
  const run = planned.runs[0]!
  const workspace = tempDir()
  const { status, stdout, stderr } = spawnSync('bash', ['-c', run.script], {
    cwd: workspace,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...gitEnvironment, HOME: workspace, ...run.env, ...environment },
  })
  const tree = join(workspace, name)
  return { status, stdout, stderr, output: stdout + stderr, workspace, head: () => git(tree, 'rev-parse', 'HEAD'), read: (file: string) => readFileSync(join(tree, file), 'utf8') }
}

const trueBuild = { 'ci/build': '#!/bin/sh\necho built\n' }

describe('checkout_repos', () => {
  test('checks out the commit, although the branch moved on', () => {
    const url = repository({ ...trueBuild, file: 'old' })
    const old = git(url, 'rev-parse', 'HEAD')
    commit(url, { file: 'new' })
    const built = build({ url, commit: old })
    expect(built.status, built.output).toBe(0)
    expect(built.head()).toBe(old)
    expect(built.read('file')).toBe('old')
  })

  test('fetches nothing but that commit where the server allows it', () => {
    const url = repository(trueBuild)
    commit(url, { file: 'second' })
    const built = build({ url: `file://${url}`, commit: git(url, 'rev-parse', 'HEAD') })
    expect(git(join(built.workspace, 'mill'), 'rev-list', '--count', 'HEAD')).toBe('1')
  })

  /** A server of the old protocol hands out the tips of refs only. */
  const oldServer = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'protocol.version', GIT_CONFIG_VALUE_0: '0' }

  test('fetches the ref where the server hands out refs only', () => {
    const url = repository({ ...trueBuild, file: 'old' })
    const old = git(url, 'rev-parse', 'HEAD')
    commit(url, { file: 'new' })
    const built = build({ url, commit: old, environment: oldServer })
    expect(built.status, built.output).toBe(0)
    expect(built.head()).toBe(old)
  })

  test('finds the commit on another branch when its own is gone', () => {
    const url = repository(trueBuild)
    git(url, 'checkout', '--quiet', '-b', 'other')
    const old = commit(url, { file: 'old' })
    commit(url, { file: 'new' })
    const built = build({ url, commit: old, ref: 'refs/heads/gone', environment: oldServer })
    expect(built.status, built.output).toBe(0)
    expect(built.head()).toBe(old)
  })

  test('takes the head of a pull request', () => {
    const url = repository(trueBuild)
    git(url, 'checkout', '--quiet', '--detach')
    const head = commit(url, { file: 'proposed' })
    git(url, 'update-ref', 'refs/pull/7/head', head)
    git(url, 'checkout', '--quiet', 'main')
    const built = build({ url, commit: head, ref: 'refs/pull/7/head', environment: oldServer })
    expect(built.status, built.output).toBe(0)
    expect(built.read('file')).toBe('proposed')
  })

  test('says that a commit is gone', () => {
    const url = repository(trueBuild)
    const built = build({ url, commit: 'b'.repeat(40) })
    expect(built.status).toBe(1)
    expect(built.stderr).toContain(`The commit ${'b'.repeat(40)} is in no branch and no tag of ${url} (any more): it was removed or replaced by a forced push.`)
  })

  test('says that the address cannot be fetched from', () => {
    const built = build({ url: '/nowhere/mill.git', commit: 'b'.repeat(40) })
    expect(built.status).toBe(1)
    expect(built.stderr).toMatch(/Cannot fetch from \/nowhere\/mill\.git/)
  })

  test('brings submodules along', () => {
    const part = repository({ stone: 'granite' })
    const url = repository(trueBuild)
    git(url, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', part, 'part')
    commit(url, {})
    const built = build({ url, environment: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'protocol.file.allow', GIT_CONFIG_VALUE_0: 'always' } })
    expect(built.status, built.output).toBe(0)
    expect(built.read('part/stone')).toBe('granite')
  })

  test('is not led astray by a ref with shell in it', () => {
    const ref = 'refs/heads/$(touch${IFS}pwned);`touch${IFS}pwned`'
    const url = repository(trueBuild)
    git(url, 'branch', ref.slice('refs/heads/'.length))
    const built = build({ url, ref, environment: oldServer, repository: '.github' })
    expect(built.status, built.output).toBe(0)
    expect(existsSync(join(built.workspace, 'pwned'))).toBe(false)
  })
})

describe('build_packages', () => {
  test.each<[string, Record<string, string>, string]>([
    ['.quern/build before ci/build', { '.quern/build': '#!/bin/sh\necho mine\n', ...trueBuild, Makefile: 'all:\n\techo make\n' }, 'mine'],
    ['ci/build before make', { ...trueBuild, Makefile: 'all:\n\techo make\n' }, 'built'],
    ['make, and its tests', { Makefile: 'all:\n\t@echo made\ntest: all\n\t@echo tested\n' }, 'made\nmade\ntested'],
    ['make where nothing tests', { Makefile: 'test := no\nall:\n\t@echo made\n' }, 'made'],
    ['configure, then make', { configure: '#!/bin/sh\necho "all:\n\t@echo configured" > Makefile\n' }, 'configured'],
    ['npm', { 'package.json': JSON.stringify({ name: 'mill', version: '1.0.0', scripts: { build: 'echo n-built', test: 'echo n-tested' } }) }, 'n-tested'],
  ])('uses %s', (_, files, words) => {
    const built = build({ url: repository(files) })
    expect(built.status, built.output).toBe(0)
    expect(built.stdout).toContain(`${words}\n`)
  })

  test('passes a ci/build over that may not be executed', () => {
    expect(build({ url: repository({ 'ci/build': 'exit 1', Makefile: 'all:\n\t@echo made\n' }) }).stdout).toContain('made\n')
  })

  test('fails with the build', () => {
    const built = build({ url: repository({ Makefile: 'all:\n\t@exit 3\n' }) })
    expect(built.status).toBe(2)
    expect(built.stdout).not.toContain('Successful')
  })

  test('says what it looked for where nothing says how to build', () => {
    const built = build({ url: repository({ README: 'a mill' }) })
    expect(built.status).toBe(1)
    expect(built.stderr).toMatch(/Nothing here says how mill is built: expected an executable \.quern\/build or ci\/build,\nor a Makefile/)
  })
})

test('the AMP example bootstraps, builds with amp_devel.py and distributes by scp', () => {
  const forge = tempDir()
  const record = `#!/bin/sh\necho "$(basename "$0") $*" >> "$AMP_CALLS"\n`
  const bootstrap = repository({ 'amp_control.py': record, 'amp_devel.py': `${record}mkdir -p packages && echo tar > "packages/$2.tar"\n` })
  const pushed = repository({ file: 'pushed' })
  const id = git(pushed, 'rev-parse', 'HEAD')
  commit(pushed, { file: 'later' })
  git(forge, 'clone', '--quiet', '--bare', bootstrap, 'amp_bootstrap.git')
  git(forge, 'clone', '--quiet', '--bare', pushed, 'amp_mgms.git')
  mkdirSync(join(forge, 'bin'))
  writeFileSync(join(forge, 'bin/scp'), record, { mode: 0o755 })

  const built = build({
    url: 'https://github.com/AudiovisualMetadataPlatform/amp_mgms.git',
    commit: id,
    repository: 'amp_mgms',
    chunks: 'examples/amp/scripts',
    environment: {
      PATH: `${join(forge, 'bin')}:${process.env.PATH}`,
      AMP_CALLS: join(forge, 'calls'),
      GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: `url.${forge}/.insteadOf`, GIT_CONFIG_VALUE_0: 'https://github.com/AudiovisualMetadataPlatform/',
    },
  })
  expect(built.status, built.output).toBe(0)
  expect(readFileSync(join(built.workspace, 'src_repos/amp_mgms/file'), 'utf8')).toBe('pushed')
  expect(readFileSync(join(forge, 'calls'), 'utf8')).toBe('amp_control.py init\namp_devel.py build amp_mgms\nscp packages/amp_mgms.tar amp@amp-test.example.org:packages\n')
})
