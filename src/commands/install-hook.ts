import { chmodSync, existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { installation } from '../config/home.ts'
import { makeDirectory } from '../disk/write.ts'
import { askGit, gitWorld, runGit } from '../git/run-git.ts'
import { launcherFor } from './cron-line.ts'
import { printLine } from './terminal.ts'
import { UserError } from './user-error.ts'

/** Tells our hook from another's. */
const mark = '# Made by "quern install-hook".'

/** The name that the hook which was there gets. */
const before = 'pre-push.before-quern'

export function define(command: Command): void {
  command
    .option('--remove', 'take the hook away again, and put back the one that was there')
    .addHelpText('after', '\nMakes git run "quern run" before every push of the repository around the current directory, and stop the push where it fails.\nA pre-push hook that is there is kept and runs first. "git push --no-verify" pushes without both.')
    .action(installHook)
}

async function installHook({ remove = false }: { remove?: boolean }): Promise<void> {
  const hook = await hookPath(process.cwd())
  if (remove) removeHook(hook)
  else if (isOurs(hook)) tellInstalled(hook, 'is there already; it was written anew')
  else keepOther(hook)
  if (remove) return
  writeFileSync(hook, hookText(), { mode: 0o755 })
  chmodSync(hook, 0o755)
}

/** Where git looks for this repository's hooks. @throws {UserError} where it looks in one place for all repositories */
async function hookPath(directory: string): Promise<string> {
  const env = gitWorld(process.env)
  const options = { doing: `finding the hooks of ${directory}`, cwd: directory, env }
  const common = (await runGit(['rev-parse', '--git-common-dir'], options)).trimEnd()
  const own = (await askGit(['config', '--local', '--type=path', '--get', 'core.hooksPath'], options))?.trimEnd()
  const all = (await askGit(['config', '--global', '--type=path', '--get', 'core.hooksPath'], { ...options, env: { ...env, GIT_CONFIG_GLOBAL: join(env['HOME'] ?? '/', '.gitconfig') } }))?.trimEnd()
  if (own === undefined && all !== undefined) throw new UserError(`git takes the hooks of all your repositories from ${all} (core.hooksPath): call "quern run" in the pre-push hook there yourself`)
  return join(makeDirectory(resolve(directory, own ?? join(common, 'hooks'))), 'pre-push')
}

function keepOther(hook: string): void {
  const kept = join(dirname(hook), before)
  if (lstatSync(hook, { throwIfNoEntry: false }) === undefined) return tellInstalled(hook, 'was made')
  if (existsSync(kept)) throw new UserError(`${hook} is not ours, and ${kept} is there too: make one hook of them, then try again`)
  renameSync(hook, kept)
  tellInstalled(hook, `was made; the one that was there is kept as ${kept} and runs first`)
}

function removeHook(hook: string): void {
  if (!isOurs(hook)) throw new UserError(`${hook} is not a hook of "quern install-hook": nothing was changed`)
  const kept = join(dirname(hook), before)
  if (existsSync(kept)) renameSync(kept, hook)
  else rmSync(hook)
  printLine(`${hook} is ${existsSync(hook) ? 'again the one that was there before' : 'removed'}`)
}

function tellInstalled(hook: string, how: string): void {
  printLine(`${hook} ${how}. Pushes run "quern run" first; git push --no-verify does without; quern install-hook --remove takes it away.`)
}

function isOurs(hook: string): boolean {
  return existsSync(hook) && readFileSync(hook, 'utf8').includes(mark)
}

/** What git sends on standard input goes to the hook that was there. */
function hookText(): string {
  const launcher = launcherFor(installation())
  return `#!/bin/sh
${mark} Runs the pipeline on the work tree as it stands before a push; "quern install-hook --remove" takes it away.
other="$(dirname "$0")/${before}"
if [ -x "$other" ]; then
  "$other" "$@" || exit
fi
# Git names its own directory to hooks; the jobs have others.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX
if [ ! -x ${launcher} ]; then
  echo 'pre-push: Quern is not there any more:' ${launcher} >&2
  echo 'Call "quern install-hook" from where it is now, or remove this hook. git push --no-verify pushes without it.' >&2
  exit 1
fi
exec ${launcher} run < /dev/null
`
}
