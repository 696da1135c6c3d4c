import { spawnSync } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { tempDir } from './temp-dir.ts'

/** Whether file systems can be mounted here: root only. */
export const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0

/** A directory that is a disk of its own, of so many bytes, and files where that is said; `remount('ro')` makes it read-only. */
export function smallDisk(bytes: number, { files }: { files?: number } = {}): { path: string; remount(mode: 'ro' | 'rw'): void } {
  const path = tempDir()
  mount('-t', 'tmpfs', '-o', `size=${bytes}${files === undefined ? '' : `,nr_inodes=${files}`}`, 'none', path)
  onTestFinished(() => void spawnSync('umount', ['--lazy', path]))
  return { path, remount: (mode) => mount('-o', `remount,${mode}`, path) }
}

function mount(...options: string[]): void {
  const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount ${options.join(' ')}: ${stderr}`)
}

if (!canMount) console.warn('skipped: tests that mount a disk of their own, or hide a program, need root')
