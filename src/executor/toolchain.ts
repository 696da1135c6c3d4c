import { createHash } from 'node:crypto'
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'
import { isCode, orMissing, readIfThere } from '../disk/read.ts'
import { findEngine, type EngineSettings } from './engine.ts'

/** Where systems write down which packages are installed: each change of one touches it. */
const packageLists = ['/var/lib/dpkg/status', '/var/lib/rpm/rpmdb.sqlite', '/var/lib/rpm/Packages', '/usr/lib/sysimage/rpm/rpmdb.sqlite', '/lib/apk/db/installed', '/var/lib/pacman/local', '/run/current-system']

/** Where programs and libraries go that no package manager knows. */
const localDirectories = ['/usr/local/bin', '/usr/local/sbin', '/usr/local/lib', '/usr/local/include']

/** Programs that decide what a build makes, wherever PATH finds them. */
const programs = ['cc', 'gcc', 'g++', 'clang', 'clang++', 'ld', 'as', 'nasm', 'make', 'cmake', 'ninja', 'meson', 'python3', 'perl', 'node', 'npm', 'go', 'rustc', 'cargo', 'java', 'javac', 'ruby', 'php', 'bash', 'git']

/**
 * What the programs of this host are known by, without starting one: the system's release, the state of its package list and
 * of /usr/local, and where PATH leads for compilers and interpreters, with their sizes and times.
 * @param path the PATH of runs
 */
export function hostToolchain(path: string): string {
  const directories = path.split(':').filter((directory) => directory !== '')
  const seen = {
    arch: arch(),
    release: readIfThere('/etc/os-release') ?? '',
    packages: packageLists.map(stateOf),
    local: localDirectories.map((directory) => [stateOf(directory), (orMissing(() => readdirSync(directory)) ?? []).toSorted().map((name) => stateOf(join(directory, name)))]),
    programs: programs.map((name) => directories.map((directory) => stateOf(join(directory, name))).find((state) => state !== undefined)),
  }
  return createHash('sha256').update(JSON.stringify(seen)).digest('hex')
}

/** The digest of an image that is here, by which its tag cannot move unseen; undefined where it is not here or no engine is. */
export async function imageDigest(image: string, settings: EngineSettings): Promise<string | undefined> {
  const engine = findEngine(settings)
  if (typeof engine === 'string') return undefined
  const { ok, stdout } = await engine.run('image', 'inspect', '--format', '{{.Id}}', image)
  return ok && stdout !== '' ? stdout : undefined
}

/** A file's real place, size and time; undefined where there is none. */
function stateOf(path: string): string | undefined {
  return orMissing(() => {
    try {
      const { size, mtimeMs } = statSync(path)
      return `${realpathSync(path)} ${size} ${mtimeMs}`
    } catch (error) {
      if (isCode(error, 'EACCES') || isCode(error, 'ELOOP')) return `${path} unreadable`
      throw error
    }
  })
}
