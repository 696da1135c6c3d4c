import { CheckoutError } from './git-error.ts'
import type { Mirror } from './mirror.ts'
import { readRemote, resolveUrl } from './remote.ts'

/** A submodule that is to be there, at its commit. */
export interface Submodule {
  /** Relative to the work tree; git has made an empty directory there. */
  path: string
  url: string
  commit: string
}

/** Submodules of one commit, at most. */
const most = 200

/**
 * The submodules of a commit: links in its tree that `.gitmodules` knows. Git itself has vetted the names in the paths of
 * links, so only they say where; `.gitmodules`, which anybody can write, says from where, over https, ssh or the transport of the
 * repository itself. For untrusted requests only over https, and from where the default branch has submodules too.
 * @throws {CheckoutError} naming the submodule
 */
export async function readSubmodules(mirror: Mirror, commit: string, trusted: boolean): Promise<Submodule[]> {
  const links = await readLinks(mirror, commit)
  if (links.size === 0) return []
  if (links.size > most) throw new CheckoutError(`${mirror.url} has ${links.size} submodules at ${commit}; at most ${most} are checked out`)
  const urls = await readUrls(mirror, commit)
  const known = trusted ? undefined : await knownUrls(mirror)
  return [...links].flatMap(([path, id]) => {
    const url = urls.get(path)
    return url === undefined ? [] : [{ path, url: allowed({ mirror, path, url, known }), commit: id }]
  })
}

/** Where links to commits stand in the tree. */
async function readLinks(mirror: Mirror, commit: string): Promise<Map<string, string>> {
  const listed = await mirror.git(['ls-tree', '-r', '-z', '--full-tree', commit], { doing: `listing the files of ${commit}` })
  return new Map(listed.split('\0').flatMap((line) => {
    const match = /^160000 commit ([0-9a-f]+)\t([^]+)$/.exec(line)
    return match ? [[match[2]!, match[1]!]] : []
  }))
}

/** The addresses that the default branch uses: whoever can write to it has been trusted with them. */
async function knownUrls(mirror: Mirror): Promise<Set<string>> {
  const head = await mirror.resolve('HEAD')
  return new Set(head === undefined ? [] : (await readUrls(mirror, head)).values())
}

/** What `.gitmodules` says, by path: https://git-scm.com/docs/gitmodules. Nothing else of it is heeded, `update = !command` least of all. */
async function readUrls(mirror: Mirror, commit: string): Promise<Map<string, string>> {
  const text = await mirror.readFile(commit, '.gitmodules')
  if (text === undefined) return new Map()
  const listed = await mirror.git(['config', '--file', '-', '--no-includes', '--list', '-z'], { doing: `reading .gitmodules of ${commit}`, input: text })
  const sections = new Map<string, { path?: string; url?: string }>()
  for (const line of listed.split('\0')) {
    const match = /^submodule\.([^]+)\.(path|url)\n([^]*)$/.exec(line)
    if (match) sections.set(match[1]!, { ...sections.get(match[1]!), [match[2]!]: match[3]! })
  }
  return new Map([...sections.values()].flatMap(({ path, url }) => (path === undefined || url === undefined ? [] : [[path, url]])))
}

function allowed({ mirror, path, url, known }: { mirror: Mirror; path: string; url: string; known: Set<string> | undefined }): string {
  const where = `submodule ${path} of ${mirror.url}`
  if (known !== undefined && !known.has(url)) throw new CheckoutError(`${where}: an untrusted request may only use submodule addresses that the default branch uses; ${JSON.stringify(url)} is not one`)
  const { url: address, protocol } = resolved(where, mirror.url, url)
  const transports = known === undefined ? ['https', 'ssh', ...mirror.protocols] : ['https', ...mirror.protocols.filter((name) => name !== 'ssh')]
  if (!transports.includes(protocol)) throw new CheckoutError(`${where}: expected its address to be ${transports.join(' or ')}, got ${JSON.stringify(url)}`)
  return address
}

function resolved(where: string, parent: string, url: string): { url: string; protocol: string } {
  try {
    return readRemote(resolveUrl(parent, url))
  } catch (error) {
    throw new CheckoutError(`${where}: ${(error as Error).message}`, { cause: error })
  }
}
