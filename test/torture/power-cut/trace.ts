import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** A call that changed a file system, or told somebody something, as strace saw it; paths are absolute. */
export type Call =
  | { does: 'create'; path: string; truncates: boolean; appends: boolean; mode: number; descriptor: number }
  | { does: 'write'; path: string; descriptor: number; text: Buffer; at: number | undefined }
  | { does: 'copy'; path: string; from: string; length: number }
  | { does: 'seek'; path: string; descriptor: number; at: number }
  | { does: 'cut'; path: string; length: number }
  | { does: 'mode'; path: string; mode: number }
  | { does: 'rename' | 'link'; from: string; path: string }
  | { does: 'remove'; path: string }
  | { does: 'make'; path: string; mode: number }
  | { does: 'point'; path: string; to: string }
  /** What was there when it began is on the disk when it has ended; `key` ties the two together. */
  | { does: 'sync begins' | 'sync ends'; path: string; key: string }

export const tracedCalls = 'openat,write,pwrite64,writev,lseek,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,chmod,fchmod,fchmodat,copy_file_range,sendfile,chdir,clone,clone3,fork,vfork'

/**
 * Reads what `strace -f -y -x -s <large> -e trace=<tracedCalls>` wrote. A call counts where it ended; of those that failed
 * none does.
 */
export function readTrace(file: string, cwd: string): Call[] {
  const calls: Call[] = []
  const begun = new Map<string, string>()
  const directories = new Map<string, string>()
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    const [, pid, rest] = /^(\d+)\s+(.*)$/s.exec(line) ?? []
    if (pid === undefined || rest === undefined) continue
    const unfinished = /^(\w+)\((.*) <unfinished \.\.\.>$/s.exec(rest)
    if (unfinished !== null) {
      begun.set(pid, `${unfinished[1]}(${unfinished[2]}`)
      beginSync(unfinished[1]!, unfinished[2]!, pid)
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(rest)
    const whole = resumed === null ? rest : `${begun.get(pid) ?? ''}${resumed[1]}`
    const [, name, words, result, opened] = /^(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*)>)?/s.exec(whole) ?? []
    if (name === undefined || words === undefined || result === undefined) continue
    if (resumed === null) beginSync(name, words, pid)
    if (result.startsWith('-')) continue
    const call = { name, words, result: Number(result), opened: opened === undefined ? undefined : decode(opened), pid }
    calls.push(...effectOf(call, directories, cwd))
  }
  return calls

  function beginSync(name: string, words: string, pid: string): void {
    if (name === 'fsync' || name === 'fdatasync') calls.push({ does: 'sync begins', path: described(words).path, key: pid })
  }
}

interface Ended {
  name: string
  words: string
  result: number
  opened: string | undefined
  pid: string
}

function effectOf({ name, words, result, opened, pid }: Ended, directories: Map<string, string>, start: string): Call[] {
  const here = directories.get(pid) ?? start
  const strings = [...words.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map((match) => decode(match[1]!))
  const mode = () => Number.parseInt(/, (0[0-7]*)$/.exec(words)?.[1] ?? '0666', 8)
  const paths = () => pathsOf(words, here)
  switch (name) {
    case 'clone': case 'clone3': case 'fork': case 'vfork':
      directories.set(String(result), here)
      return []
    case 'chdir':
      directories.set(pid, resolve(here, strings[0]!))
      return []
    case 'openat':
      if (!/O_CREAT|O_TRUNC/.test(words) || /O_TMPFILE/.test(words)) return []
      return [{ does: 'create', path: opened!, truncates: words.includes('O_TRUNC'), appends: words.includes('O_APPEND'), mode: mode(), descriptor: result }]
    case 'write': case 'writev':
      return [{ does: 'write', ...described(words), text: Buffer.from(strings.join(''), 'latin1').subarray(0, result), at: undefined }]
    case 'pwrite64':
      return [{ does: 'write', ...described(words), text: Buffer.from(strings[0]!, 'latin1').subarray(0, result), at: Number(/, (\d+)$/.exec(words)![1]) }]
    case 'copy_file_range': case 'sendfile': {
      const [one, other] = [...words.matchAll(/\d+<([^>]*)>/g)].map((match) => decode(match[1]!))
      return [{ does: 'copy', path: name === 'sendfile' ? one! : other!, from: name === 'sendfile' ? other! : one!, length: result }]
    }
    case 'lseek':
      return [{ does: 'seek', ...described(words), at: result }]
    case 'ftruncate':
      return [{ does: 'cut', path: described(words).path, length: Number(/, (\d+)$/.exec(words)![1]) }]
    case 'fchmod':
      return [{ does: 'mode', path: described(words).path, mode: mode() }]
    case 'chmod': case 'fchmodat':
      return [{ does: 'mode', path: paths()[0]!, mode: Number.parseInt(/, (0[0-7]+)/.exec(words)?.[1] ?? '0644', 8) }]
    case 'fsync': case 'fdatasync':
      return [{ does: 'sync ends', path: described(words).path, key: pid }]
    case 'rename': case 'renameat': case 'renameat2': case 'link': case 'linkat':
      return [{ does: name.startsWith('rename') ? 'rename' : 'link', from: paths()[0]!, path: paths()[1]! }]
    case 'unlink': case 'unlinkat': case 'rmdir':
      return [{ does: 'remove', path: paths()[0]! }]
    case 'mkdir': case 'mkdirat':
      return [{ does: 'make', path: paths()[0]!, mode: mode() }]
    case 'symlink': case 'symlinkat':
      return [{ does: 'point', path: pathsOf(words.slice(words.indexOf('",') + 2), here)[0]!, to: strings[0]! }]
    default:
      return []
  }
}

/** The paths among the words, each below the directory that is named before it, or the one where the process is. */
function pathsOf(words: string, here: string): string[] {
  return [...words.matchAll(/(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/gs)].map((match) => resolve(match[1] === undefined ? here : decode(match[1]), decode(match[2]!)))
}

function described(words: string): { path: string; descriptor: number } {
  const [, descriptor, path] = /^(\d+)<([^>]*)>/.exec(words) ?? []
  return { path: decode(path ?? ''), descriptor: Number(descriptor) }
}

const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }

/** Of a string as strace prints it, its bytes as latin1. */
function decode(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|[0-7]{1,3}|.)/gs, (_, escape: string) =>
    escape.startsWith('x') && escape.length === 3 ? String.fromCharCode(Number.parseInt(escape.slice(1), 16)) : /^[0-7]/.test(escape) ? String.fromCharCode(Number.parseInt(escape, 8)) : (escapes[escape] ?? escape),
  )
}
