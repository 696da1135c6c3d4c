import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { environmentFile } from './environment-file.ts'
import type { Execution, Network } from './executor.ts'
import { makeTemporary } from './temporary.ts'

/** A file of a sandbox, copied into it from a descriptor of ours: much cheaper for bwrap than a mount each. */
export interface SandboxFile {
  path: string
  descriptor: number
}

/** Where a run finds its script, and the shell that starts it the environment. */
export const scriptPath = '/quern/script.sh'
export const environmentPath = '/quern/environment.sh'

/** Small files of the host's /etc that say nothing secret and that libraries read. */
const copied = ['debian_version', 'host.conf', 'ld.so.cache', 'locale.conf', 'localtime', 'lsb-release', 'mime.types', 'os-release', 'protocols', 'redhat-release', 'services', 'timezone']

/** Opens every file that a sandbox gets beside its mounts; the caller closes them. `uid` and `gid` are the run's. */
export function openSandboxFiles(execution: Execution, { uid, gid }: { uid: number; gid: number }): SandboxFile[] {
  const { env, network, beside = [], id, workspace } = execution
  const written = {
    ...accounts(uid, gid, env['HOME'] ?? '/'),
    ...names(network, beside),
    [environmentPath]: environmentFile({ ...inside(env, workspace), QUERN_RUN: id }),
  }
  const opened: SandboxFile[] = []
  try {
    opened.push({ path: scriptPath, descriptor: openSync(execution.script, 'r') })
    for (const name of copied) {
      const descriptor = orMissing(() => openSync(`/etc/${name}`, 'r'))
      if (descriptor !== undefined) opened.push({ path: `/etc/${name}`, descriptor })
    }
    return [...opened, ...openContents(written)]
  } catch (error) {
    for (const { descriptor } of opened) closeSync(descriptor)
    throw error
  }
}

/** A directory for temporary files that the run cannot see is replaced by its own /tmp. */
export function inside(env: Record<string, string>, workspace: string): Record<string, string> {
  const { TMPDIR } = env
  return TMPDIR === undefined || TMPDIR.startsWith(`${workspace}/`) ? env : { ...env, TMPDIR: '/tmp' }
}

/** Nobody's names but its own, and a git that reads a mirror although another account owns it (safe.directory). */
function accounts(uid: number, gid: number, home: string): Record<string, string> {
  return {
    '/etc/passwd': `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nquern:x:${uid}:${gid}:quern:${home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    '/etc/group': `root:x:0:\nquern:x:${gid}:\nnogroup:x:65534:\n`,
    '/etc/gitconfig': '[safe]\n\tdirectory = *\n',
  }
}

/** No modules of a name service, whose sockets are not inside. */
function names(network: Network, beside: string[]): Record<string, string> {
  return {
    '/etc/hosts': `127.0.0.1 ${['localhost', 'quern', ...beside].join(' ')}\n::1 localhost ip6-localhost\n`,
    '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n',
    ...(network !== 'none' && { '/etc/resolv.conf': network === 'isolated' ? 'nameserver 10.0.2.3\n' : (orMissing(() => readFileSync('/etc/resolv.conf', 'utf8')) ?? '') }),
  }
}

/** Descriptors of files that have no name any more. */
function openContents(contents: Record<string, string>): SandboxFile[] {
  const directory = makeTemporary('file')
  try {
    return Object.entries(contents).map(([path, content], index) => {
      const file = join(directory, String(index))
      writeFileSync(file, content, { mode: 0o600 })
      return { path, descriptor: openSync(file, 'r') }
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
