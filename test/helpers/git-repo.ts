import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tempDir } from './temp-dir.ts'

/** A repository to push to and clone from, made by real git. */
export interface GitRepo {
  /** Its work tree. */
  path: string
  /** Runs git in it and returns what it printed, trimmed. */
  git(...args: string[]): string
  /** Writes the files, commits everything and returns the commit's id. */
  commit(files: Record<string, string | Uint8Array>, message?: string): string
}

/** What a person's own settings would change is off; the committer is always the same. */
export const gitTestEnvironment = {
  PATH: process.env['PATH']!,
  LANG: 'C',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ada Author',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Carl Committer',
  GIT_COMMITTER_EMAIL: 'carl@example.org',
}

/** A fresh repository with the branch main, removed when the test ends. */
export function gitRepo(options: string[] = []): GitRepo {
  const path = tempDir()
  const git = (...args: string[]) => execFileSync('git', args, { cwd: path, env: { ...gitTestEnvironment, HOME: path }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  git('init', '--quiet', '--initial-branch=main', ...options)
  return {
    path,
    git,
    commit(files, message = 'Change') {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(path, name)), { recursive: true })
        writeFileSync(join(path, name), content)
      }
      git('add', '--all', '--force')
      git('commit', '--quiet', '--allow-empty', '--message', message)
      return git('rev-parse', 'HEAD')
    },
  }
}
