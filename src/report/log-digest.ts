import { openRegular } from '../disk/open-regular.ts'
import { openDigest, type Digest } from './digest.ts'

const chunkSize = 256 * 1024

/** Finds the first error of a log, which is read once, in constant memory. Undefined where there is no log, or no line in it. */
export async function logDigest(path: string): Promise<Digest | undefined> {
  const file = await openRegular(path)
  if (file === undefined) return undefined
  try {
    const digest = openDigest()
    const buffer = Buffer.alloc(chunkSize)
    for (let offset = 0, size = -1; size !== 0; offset += size) {
      size = (await file.read(buffer, 0, chunkSize, offset)).bytesRead
      if (size > 0) digest.push(buffer.subarray(0, size))
    }
    return digest.end()
  } finally {
    await file.close()
  }
}
