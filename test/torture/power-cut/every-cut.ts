import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { type Cut, type Disk } from './disk.ts'
import type { Call } from './trace.ts'

export interface Story {
  /** Where the program works; each cut is put in its place. */
  home: string
  /** As the home was before the first call. */
  disk: Disk
  calls: Call[]
  /** About how many cuts to try, of all that there are, at random. */
  most: number
  random: () => number
  /** Sees each call, in order: what it told the world holds from then on. Returns whether it told anything. */
  notice: (call: Call) => boolean
  /** The machine is up again. Returns what is wrong then. */
  goOn: () => Promise<string[]>
}

/**
 * Cuts the power of a disk after calls that changed what it holds, in three ways, and goes on with what is left; each
 * different one once. It cuts after each call that told the world something, too: what was true of a disk before that may
 * be a broken promise now. Homes with faults are kept beside the home, as they were cut and as they went on. Prints each fault at once, and the counts.
 */
export async function cutEverywhere({ home, disk, calls, most, random, notice, goOn }: Story): Promise<number> {
  const seen = new Set<string>()
  const ways = Object.entries(waysToCut(random))
  const likelihood = most / (ways.length * calls.filter(({ does, path }) => path.startsWith(`${home}/`) && changing.has(does)).length)
  const count = { calls: calls.length, cuts: 0, 'of them different': 0, faults: 0 }
  for (const [index, call] of calls.entries()) {
    const tells = notice(call)
    if (tells) seen.clear()
    if (!disk.apply(call) && !tells) continue
    for (const [kind, how] of ways) {
      if (!tells && random() > likelihood) continue
      count.cuts++
      const left = disk.cut(how)
      if (seen.has(left.fingerprint)) continue
      seen.add(left.fingerprint)
      count['of them different']++
      if (process.stderr.isTTY) process.stderr.write(`\r${index} of ${calls.length} calls, ${count['of them different']} cuts, ${count.faults} faults `)
      left.restore(home)
      const faults = await goOn()
      for (const fault of faults) console.log(`FAULT after call ${index} (${call.does} ${call.path}), ${kind}: ${fault}`)
      if (faults.length > 0) {
        const kept = join(home, '..', `fault-${index}-${kind.replaceAll(' ', '-')}`)
        left.restore(kept)
        cpSync(home, `${kept}-went-on`, { recursive: true, verbatimSymlinks: true })
      }
      count.faults += faults.length
    }
  }
  console.table(count)
  return count.faults
}

/** What changes names, or what of them is on the disk. */
const changing: ReadonlySet<Call['does']> = new Set(['create', 'rename', 'link', 'remove', 'make', 'point', 'sync ends'])

/** What a disk may keep of what was not flushed. */
function waysToCut(random: () => number): Record<string, Cut> {
  return {
    'only what was flushed': { names: () => 0, data: (flushed) => flushed },
    'all names and no content': { names: (pending) => pending, data: (flushed, written) => (written.subarray(0, flushed.length).equals(flushed) ? flushed : Buffer.alloc(0)) },
    'something in between': { names: (pending) => Math.floor(random() * (pending + 1)), data: (flushed, written) => someOf(flushed, written, random) },
  }
}

/** Some disks keep the length of what was written, but zeros in its place. */
function someOf(flushed: Buffer, written: Buffer, random: () => number): Buffer {
  if (flushed === written) return flushed
  const kept = [flushed, written, written.subarray(0, Math.floor(written.length / 2)), Buffer.alloc(written.length)]
  return kept[Math.floor(random() * kept.length)]!
}
