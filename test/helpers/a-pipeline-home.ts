import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { aHome } from './a-home.ts'
import { gitRepo } from './git-repo.ts'

/** A home without chunks of its own, and a repository whose commits it is asked to build. */
export function aPipelineHome(settings: Record<string, string> = {}) {
  const repo = gitRepo()
  // Paths of this host are for what this server's settings name.
  const home = aHome({ settings: { CLONE_BASE: repo.path, ...settings } })
  for (const name of ['checkout_repos', 'build_packages']) rmSync(join(home.home, 'scripts', name))
  return {
    ...home,
    repo,
    set: (name: string, value: string) => appendFileSync(join(home.home, 'environment.sh'), `export ${name}="${value}"\n`),
    /** Commits the files, has them built, and returns the build's number. */
    async buildCommit(files: Record<string, string>, request: Parameters<typeof home.drop>[0] = {}) {
      const entry = home.drop({ commit_id: repo.commit(files), clone_url: repo.path, ...request })
      const { stderr } = await home.build()
      expect(stderr).toBe('')
      // Its parent may have been built because of it.
      return home.list('builds/app').map((number) => `app/${number}`).find((build) => home.result(build).entry === entry)!
    },
  }
}
