import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { orMissing } from '../disk/read.ts'

/** A file that others append to, rename away when it is full, and make anew, or empty to make room. */
export interface FollowedFile {
  /** The whole lines that were written since the last call, also those of a file that was set aside meanwhile. */
  newLines(): string[]
}

/** Follows a file from its present end; it need not exist yet. */
export function followFile(path: string): FollowedFile {
  let decoder = new StringDecoder('utf8')
  let descriptor = orMissing(() => openSync(path, 'r'))
  let offset = descriptor === undefined ? 0 : fstatSync(descriptor).size
  let rest = ''
  return {
    newLines() {
      let text = readOn()
      const there = orMissing(() => statSync(path))
      if (there !== undefined && (descriptor === undefined || fstatSync(descriptor).ino !== there.ino || there.size < offset)) {
        // Set aside or emptied since: what came between the reading above and the renaming is still to be read.
        text += readOn()
        startAnew()
        text += readOn()
      }
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      return lines.filter((line) => line !== '')
    },
  }

  function startAnew(): void {
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = orMissing(() => openSync(path, 'r'))
    offset = 0
    decoder = new StringDecoder('utf8')
  }

  function readOn(): string {
    if (descriptor === undefined) return ''
    const buffer = Buffer.alloc(64 * 1024)
    let text = ''
    for (let size = readSync(descriptor, buffer, 0, buffer.length, offset); size > 0; size = readSync(descriptor, buffer, 0, buffer.length, offset)) {
      offset += size
      text += decoder.write(buffer.subarray(0, size))
    }
    return text
  }
}
