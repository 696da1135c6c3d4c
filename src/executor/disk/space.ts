import { statfs } from 'node:fs/promises'

/** What must be left on a disk: this, or a twentieth of a smaller one. */
const floor = { bytes: 2 * 1024 ** 3, files: 20_000 }

/** What is left on a disk. */
export interface DiskSpace {
  /** Bytes. */
  left: number
  /** A sentence, where it is less than must be left. */
  low?: string
}

/** Asks the file system, which also counts files that have no name any more. */
export async function diskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(directory)
  const left = bavail * bsize
  const [bytes, inodes] = [Math.min(floor.bytes, (blocks * bsize) / 20), Math.min(floor.files, files / 20)]
  if (left < bytes) return { left, low: `the disk ran low: of ${directory} ${mebibytes(left)} MiB are left, and less than ${mebibytes(bytes)} MiB are kept from untrusted runs` }
  // Some file systems count no files.
  if (files > 0 && ffree < inodes) return { left, low: `the disk ran low: on that of ${directory} ${ffree} more files can be made, and less than ${Math.floor(inodes)} are kept from untrusted runs` }
  return { left }
}

export function mebibytes(bytes: number): string {
  return String(Math.round(bytes / 1024 ** 2))
}
