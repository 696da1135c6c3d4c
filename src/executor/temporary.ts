import { lstatSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCode, orMissing } from '../disk/read.ts'

/** Makes a directory that only this user can enter and that its maker removes, or `removeTemporary` where that was killed. */
export function makeTemporary(kind: 'container' | 'file' | 'hosts' | 'nursery' | 'output' | 'trial'): string {
  return mkdtempSync(join(tmpdir(), `quern-${kind}-${numbering()}-${process.pid}-`))
}

/** Removes what this user's processes left that are dead: some of it holds secrets. */
export function removeTemporary(): void {
  for (const name of orMissing(() => readdirSync(tmpdir())) ?? []) {
    const [, where, maker] = /^quern-[a-z]+-(\d+)-(\d+)-[A-Za-z0-9]{6}$/.exec(name) ?? []
    if (where === numbering() && !isAlive(Number(maker))) remove(join(tmpdir(), name))
  }
}

/** Which numbering of processes this one is in: a builder in a container may share the directory, and its numbers say nothing here. */
function numbering(): string {
  return /\d+/.exec(orMissing(() => readlinkSync('/proc/self/ns/pid')) ?? '')?.[0] ?? '0'
}

/** What cannot be removed is no reason to build nothing. */
function remove(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats?.isDirectory() || stats.uid !== process.getuid?.()) return
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {}
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isCode(error, 'ESRCH')
  }
}
