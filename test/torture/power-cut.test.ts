import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'
import { type Disk, openDisk } from './power-cut/disk.ts'
import { cutEverywhere } from './power-cut/every-cut.ts'
import type { Call } from './power-cut/trace.ts'

let place: string
let home: string
let disk: Disk
beforeEach(() => {
  place = tempDir()
  home = join(place, 'home')
  for (const name of ['queue', 'claimed']) mkdirSync(join(home, name), { recursive: true })
  disk = openDisk(home)
  vi.spyOn(console, 'log').mockReturnValue()
  vi.spyOn(console, 'table').mockReturnValue()
})

test('a promise that is made before the disk holds it is found broken', async () => {
  expect(await faultsOf([create('queue/one'), ...flush('queue/one'), ...flush('queue'), tell])).toBe(0)
  disk = openDisk(home)
  expect(await faultsOf([create('queue/two'), ...flush('queue/two'), tell, ...flush('queue')])).toBeGreaterThan(0)
})

test('a promise that the disk never holds is found broken', async () => {
  expect(await faultsOf([create('queue/one'), ...flush('queue/one'), tell])).toBeGreaterThan(0)
})

test('with all names there, a file that was renamed has only its new one, and one that went afterwards has none', () => {
  for (const call of [create('queue/.one.tmp'), rename('queue/.one.tmp', 'queue/one'), rename('queue/one', 'claimed/one'), create('queue/two'), rename('queue/two', 'claimed/two'), remove('claimed/two')]) disk.apply(call)
  expect(namesLeft()).toEqual(['claimed', 'claimed/one', 'queue'])
})

/** What was told is that the file which the calls make is there from then on. */
function faultsOf(calls: Call[]): Promise<number> {
  let promised = false
  const name = calls.find(({ does }) => does === 'create')!.path
  return cutEverywhere({
    home,
    disk,
    calls,
    most: 1_000_000,
    random: () => 0.5,
    notice: (call) => call === tell && (promised = true),
    goOn: async () => (promised && !existsSync(name) ? [`${name} is gone`] : []),
  })
}

function namesLeft(): string[] {
  const left = join(place, 'left')
  disk.cut({ names: (pending) => pending, data: (_, written) => written }).restore(left)
  return (readdirSync(left, { recursive: true }) as string[]).toSorted()
}

const tell: Call = { does: 'write', path: 'socket:[1]', descriptor: 9, text: Buffer.from('202'), at: undefined }

function create(name: string): Call {
  return { does: 'create', path: join(home, name), truncates: true, appends: false, mode: 0o644, descriptor: 5 }
}

function rename(from: string, to: string): Call {
  return { does: 'rename', from: join(home, from), path: join(home, to) }
}

function remove(name: string): Call {
  return { does: 'remove', path: join(home, name) }
}

function flush(name: string): Call[] {
  return [{ does: 'sync begins', path: join(home, name), key: '1' }, { does: 'sync ends', path: join(home, name), key: '1' }]
}
