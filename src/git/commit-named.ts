import { askGit } from './run-git.ts'

/** The commit that a person's words (`HEAD`, `main~2`, a tag) mean in the repository around a directory; undefined where they mean none, or there is no repository. */
export async function commitNamed(directory: string, words: string, env: Record<string, string>): Promise<string | undefined> {
  const found = await askGit(['rev-parse', '--verify', '--quiet', '--end-of-options', `${words}^{commit}`], { doing: `asking git for ${words}`, cwd: directory, env })
  return found?.trimEnd()
}
