import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import type { Network } from './executor.ts'

/** The account a sandboxed run has inside. */
export interface Account {
  uid: number
  gid: number
}

/** Opens a file of this content that has no name any more; the caller closes it. */
export function openContent(content: string): number {
  const directory = mkdtempSync(join(tmpdir(), 'quern-file-'))
  try {
    const path = join(directory, 'content')
    writeFileSync(path, content, { mode: 0o600 })
    return openSync(path, 'r')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * The files of /etc that a sandbox gets instead of the host's: nobody's names but its own, no modules of a name service
 * that has no socket inside, and a git that reads a mirror although another account owns it (safe.directory).
 */
export function systemFiles({ uid, gid }: Account, home: string, network: Network): Record<string, string> {
  return {
    '/etc/passwd': `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nquern:x:${uid}:${gid}:quern:${home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    '/etc/group': `root:x:0:\nquern:x:${gid}:\nnogroup:x:65534:\n`,
    '/etc/hosts': '127.0.0.1 localhost quern\n::1 localhost ip6-localhost\n',
    '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n',
    '/etc/gitconfig': '[safe]\n\tdirectory = *\n',
    ...(network !== 'none' && { '/etc/resolv.conf': network === 'isolated' ? 'nameserver 10.0.2.3\n' : hostResolver() }),
  }
}

function hostResolver(): string {
  return orMissing(() => readFileSync('/etc/resolv.conf', 'utf8')) ?? ''
}

export function closeAll(descriptors: number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor)
}
