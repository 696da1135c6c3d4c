import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomically } from '../disk/write.ts'
import { readRemote, type Remote } from './remote.ts'

/** Git asks this script, by GIT_ASKPASS. It answers for one server only: a redirect, a submodule or an LFS address elsewhere gets nothing. */
const askpass = `#!/bin/sh
case "$1" in
  "Username for '$QUERN_GIT_ORIGIN'"*) printf '%s\\n' "$QUERN_GIT_USER" ;;
  "Password for '$QUERN_GIT_LOGIN'"*) printf '%s\\n' "$QUERN_GIT_TOKEN" ;;
  *) exit 1 ;;
esac
`

/** Writes the script into a directory and returns its path. */
export function writeAskpass(directory: string): string {
  const path = join(directory, 'askpass.sh')
  writeAtomically(path, askpass, { mode: 0o700 })
  chmodSync(path, 0o700)
  return path
}

/** What the script answers with. */
export function credentials({ user = 'x-access-token' }: Remote, origin: string, token: string): Record<string, string> {
  const login = origin.replace('://', `://${encodeURIComponent(user)}@`)
  return { QUERN_GIT_ORIGIN: origin, QUERN_GIT_LOGIN: login, QUERN_GIT_USER: user, QUERN_GIT_TOKEN: token }
}

/** The environment in which a job's own git gets the token for that URL's server, and for no other. */
export function cloneCredentials(url: string, token: string, directory: string): Record<string, string> {
  const remote = readRemote(url)
  if (remote.origin === undefined) return {}
  return { GIT_ASKPASS: writeAskpass(directory), ...credentials(remote, remote.origin, token) }
}
