import { linkSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { isCode, orMissing } from '../disk/read.ts'
import { readMark } from './entry.ts'
import { locate, type Places } from './places.ts'

/**
 * A delivery was linked before: completes what the first one left undone (it may be another process at work right now,
 * or one that died) and names the entry, and the directories to flush before anybody may be told "duplicate".
 */
export function helpWinner(places: Places, known: string): { name: string; directories: string[] } {
  const mark = readMark(known)
  if (mark === undefined) throw new Error(`reading ${known}: expected the entry that this delivery made, found a damaged file; remove it to have the delivery accepted anew`)
  const { entry: name, low } = mark
  const target = low ? places.low : places.waiting
  orMissing(() => renameSync(join(places.tmp, name), join(target, name)))
  const found = locate(places, name)
  // A power cut can keep the link and lose the rename: the link still is the entry.
  if (found === undefined) linkUnlessThere(known, join(target, name))
  return { name, directories: [places.delivery, places.waiting, places.low, found ?? target] }
}

function linkUnlessThere(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  }
}
