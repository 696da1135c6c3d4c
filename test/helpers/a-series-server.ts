import { execFileSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { Request } from '../../src/model/request.ts'
import { aServer } from './a-server.ts'
import { maintainerToken, startFakePatchwork } from './fake-patchwork.ts'
import { gitRepo, type GitRepo } from './git-repo.ts'
import { smtpListener } from './smtp.ts'

interface Options {
  /** What the patches apply to: a repository's path. */
  tree: string
  branch?: string
  /** With everything that the real server had been fed. */
  recorded?: boolean
  /** Further lines of the source in quern.yaml, JSON as YAML takes it. */
  source?: Record<string, unknown>
  /** Job definitions by path, or the directory they are in. */
  jobs: Record<string, string> | string
  settings?: Record<string, string>
}

/** A home that polls a fake Patchwork, with a mail server; all ended with the test. */
export async function aSeriesServer({ tree, branch = 'main', recorded = false, source = {}, jobs, settings = {} }: Options) {
  const fake = await startFakePatchwork({ recorded })
  onTestFinished(() => fake.close())
  const smtp = await smtpListener()
  const server = await aServer({ settings: { SMTP_URL: smtp.url, MAIL_ADMIN: 'admin@example.org', MAIL_FROM: 'Quern <quern@example.org>', PATCHWORK_TOKEN: maintainerToken, ...settings } })
  if (typeof jobs === 'string') cpSync(jobs, `${server.home}/job-defs`, { recursive: true })
  else server.write(Object.fromEntries(Object.entries(jobs).map(([name, text]) => [`job-defs/${name}.yml`, text])))
  const project = { url: fake.url, project: 'ffmpeg', token_env: 'PATCHWORK_TOKEN', tree, branch, mail: { reply: true }, expire_after: 1_000_000, incomplete_after: 0, pace: 1000, pipelines: ['job:make'], ...source }
  server.write({ 'quern.yaml': JSON.stringify({ patchwork: [project] }) })
  return {
    ...server,
    fake,
    smtp,
    /** Polls from before everything; says so where it does not succeed. */
    async poll(): Promise<void> {
      const { code, stderr } = await server.quern('poll', '--since', '2026-01-01')
      if (code !== 0) throw new Error(`quern poll ended with ${code}: ${stderr}`)
    },
    /** All checks ever posted on a patch, oldest first, as `<context> <state>: <first line of the description>`. */
    told: (patch: number) => (fake.checks.get(patch) ?? []).map(({ context, state, description }) => `${context} ${state}: ${(description ?? '').split('\n')[0]}`),
    /** What a decided entry asked for. */
    requestOf: (entry: string) => JSON.parse(server.read(`ledger/done/${entry}`)) as Request,
    /** The tree of a commit in the mirror. */
    treeOf: (commit: string) => execFileSync('git', ['rev-parse', `${commit}^{tree}`], { cwd: `${server.home}/cache/git/${server.list('cache/git').find((name) => /~[0-9a-f]{16}$/.test(name))}`, encoding: 'utf8' }).trim(),
    /** The checks on a patch that count: the last one of each context. */
    shown(patch: number): Record<string, string> {
      return Object.fromEntries((fake.checks.get(patch) ?? []).map(({ context, state, description }) => [context, `${state}: ${(description ?? '').split('\n')[0]}`]))
    },
  }
}

/** A job that fails where the tree's state.txt says so, says what a compiler would, and hangs where there is a file of that name. */
export const stateJob = `workspace: commit
script: |
  grep -n "" state.txt | sed -n "s/^\\([0-9]*\\):\\(\\(warning\\|error\\): .*\\)/state.txt:\\1: \\2/p"
  if grep -q "^error" state.txt; then exit 1; fi
  if [ -e hang ]; then sleep 600; fi
`

/** A tree and a series for it: the state of the base, then one for each patch. */
export function seriesOf(base: string, ...states: string[]) {
  const repo = gitRepo()
  const start = repo.commit({ 'state.txt': base, 'README': 'A mill.\n' }, 'Begin')
  states.forEach((state, index) => repo.commit({ 'state.txt': state }, `state: change ${index + 1}`))
  const patches = mailsSince(repo, start)
  repo.git('branch', 'mailed')
  repo.git('reset', '--quiet', '--hard', start)
  return { repo, start, patches }
}

/** Mails of the commits since another one, as git format-patch writes them, with the names that the server gives them. */
export function mailsSince(repo: GitRepo, base: string, { version = 1 } = {}): { name: string; mail: string }[] {
  const commits = repo.git('rev-list', '--reverse', `${base}..HEAD`).split('\n')
  const prefix = version > 1 ? [`v${version}`] : []
  return commits.map((commit, index) => {
    const brackets = [...prefix, ...(commits.length > 1 ? [`${index + 1}/${commits.length}`] : [])].join(',')
    return { name: `${brackets === '' ? '' : `[${brackets}] `}${repo.git('log', '-1', '--format=%s', commit)}`, mail: `${repo.git('format-patch', '--stdout', '-1', commit)}\n` }
  })
}
