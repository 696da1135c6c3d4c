import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { BuildResult } from '../../src/model/build.ts'
import { pipelines } from '../../src/record/build-index.ts'
import { aHome } from './a-home.ts'

/**
 * What a commit does when it is checked stands in its file `state`: good, bad, killed, slow, flaky, which fails the first
 * time that the commit, named by its file `id`, is checked, halts, which does not end the second time until the test opens
 * the gate, or meets, which fails at the same moment as another one.
 */
const script = `#!/bin/bash -e
case $(cat "$WHAT") in
  good) ;;
  bad) echo "error: broken on purpose"; exit 3 ;;
  killed) kill -KILL $$ ;;
  slow) sleep 60 ;;
  meets) mkdir "$QUERN_TEST_MARKS/$(cat id)-meets"; until [ "$(ls -d "$QUERN_TEST_MARKS"/*-meets | wc -l)" = 2 ]; do sleep 0.02; done; exit 3 ;;
  halts) mkdir "$QUERN_TEST_MARKS/first" 2>/dev/null && exit 4; touch "$QUERN_TEST_MARKS/second"; until [ -e "$QUERN_TEST_MARKS/gate" ]; do sleep 0.05; done ;;
  flaky) mkdir "$QUERN_TEST_MARKS/$(cat id)-$WHAT" 2>/dev/null && { echo "error: only sometimes"; exit 4; } ;;
esac
echo "$(cat id) $WHAT" >> "$QUERN_TEST_MARKS/log"
`

const definitions: Record<string, string> = {
  check: 'executor: shell\nenv: {WHAT: state}\n',
  reused: 'executor: shell\nreuse: true\nenv: {WHAT: state}\n',
  quick: 'executor: shell\ntimeout: 0.01\nenv: {WHAT: state}\n',
  make: 'executor: shell\nenv: {WHAT: makes}\n',
  both: 'executor: shell\nneeds: [make]\nworkspace: make\nenv: {WHAT: state}\n',
  deploys: 'executor: shell\ndeploy: true\nenv: {WHAT: state}\n',
}

/** A home with jobs that check commits of a repository by what stands in their files. */
export function aBlameHome(repository: string, settings: Record<string, string> = {}) {
  const home = aHome({ settings: { CLONE_BASE: repository, BUILD_ENV: 'QUERN_TEST_MARKS', MAIL_ADMIN: 'admin@example.org', ...settings } })
  const marks = join(home.home, 'marks')
  for (const name of ['marks', 'job-defs', 'ledger', 'outbox', 'builds']) mkdirSync(join(home.home, name))
  writeFileSync(join(home.home, 'environment.sh'), `export QUERN_TEST_MARKS="${marks}"\n`, { flag: 'a' })
  const indented = script.replace(/^/gm, '  ').trimEnd()
  for (const [name, text] of Object.entries(definitions)) writeFileSync(join(home.home, 'job-defs', `${name}.yml`), `${text}script: |\n${indented}\n`)
  const results = (): BuildResult[] => pipelines(home.home).flatMap((pipeline) => readdirSync(join(home.home, 'builds', pipeline)).map((number) => home.result(`${pipeline}/${number}`)))
  return {
    ...home,
    marks,
    push: (job: string, commit: string, changes: Parameters<typeof home.drop>[0] = {}) => home.drop({ commit_id: commit, clone_url: repository, pipeline: `job:${job}`, committer_name: '', committer_email: '', ...changes }),
    /** Has everything built that waits, and what is asked because of it. */
    async grind(threads = 2) {
      expect(await home.build(['--threads', String(threads)])).toMatchObject({ code: 0, stderr: '' })
    },
    /** Every decided build. */
    results,
    resultOf: (entry: string) => results().find((result) => result.entry === entry)!,
    /** Who is mailed about a build. */
    mailedBy: ({ pipeline, number }: BuildResult): string[] => home.list(`builds/${pipeline}/${number}/reports`).filter((name) => name.endsWith('.json')).map((name) => (JSON.parse(readFileSync(join(home.home, 'builds', pipeline, String(number), 'reports', name), 'utf8')) as { payload: { to: string } }).payload.to).toSorted(),
    ledger: () => home.list('ledger').filter((name) => name.endsWith('.jsonl')).map((name) => readFileSync(join(home.home, 'ledger', name), 'utf8')).join(''),
  }
}
