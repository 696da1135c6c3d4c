import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A repository with one file, `state.txt`, which series of mails change. */
export function openTree(directory: string) {
  const git = (...words: string[]) =>
    execFileSync('git', words, { cwd: directory, encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: directory, GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.com', GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.com' } }).trim()
  const write = (state: string) => writeFileSync(join(directory, 'state.txt'), state)
  mkdirSync(directory, { recursive: true })
  write('fine\n')
  git('init', '--quiet', '--initial-branch=main')
  git('add', '.')
  git('commit', '--quiet', '--message', 'Begin')
  return {
    /** The mails of a series whose patches bring the file from its beginning to each of these states. */
    mailsOf(...states: string[]): string[] {
      const begin = git('rev-parse', 'HEAD')
      for (const state of states) {
        write(state)
        git('commit', '--quiet', '--all', '--message', 'state: change')
      }
      const mails = git('rev-list', '--reverse', `${begin}..HEAD`).split('\n').map((commit) => `${git('format-patch', '--stdout', '-1', commit)}\n`)
      git('reset', '--quiet', '--hard', begin)
      return mails
    },
  }
}
