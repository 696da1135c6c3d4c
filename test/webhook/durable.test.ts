import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { deliver, payload, receiver, signature } from '../helpers/receiver.ts'
import { canMount, smallDisk } from '../helpers/small-disk.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('an accepted push is one file in the queue, under the name that was answered, and one decision', async () => {
  const home = tempDir()
  const { hook, ledger } = await receiverOf(home)
  const { status, body } = await deliver(hook, payload('push'), { id: 'd1' })
  expect(status).toBe(202)
  expect(body.entry).toMatch(/^\d+\.\d{6}-[\w-]+\.json$/)
  expect(entriesOf(home)).toEqual([body.entry])
  expect(JSON.parse(readFileSync(join(home, 'queue', body.entry!), 'utf8'))).toMatchObject({
    repository: 'Hello-World',
    ref: 'refs/heads/master',
    commit_id: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
    committer_name: 'Codertocat',
    trusted: true,
  })
  expect(ledger.find('d1')).toMatchObject([{ decision: 'queued', entry: body.entry }])
  expect(ledger.find('6113728')).toHaveLength(1)
})

test('a delivery that a bad signature kept out is in neither queue nor ledger, and its id is still free', async () => {
  const home = tempDir()
  const { hook, ledger } = await receiverOf(home)
  await deliver(hook, payload('push'), { id: 'd1', headers: { 'x-hub-signature-256': signature('other') } })
  expect(entriesOf(home)).toEqual([])
  expect(ledger.find('d1')).toEqual([])
  expect(await deliver(hook, payload('push'), { id: 'd1' })).toMatchObject({ status: 202 })
})

test('two identical deliveries at once are one entry, at two receivers on one home, and after a restart', async () => {
  const home = tempDir()
  const receivers = [await receiverOf(home), await receiverOf(home)]
  const ids = Array.from({ length: 20 }, (_, index) => `d${index}`)
  const answers = await Promise.all(ids.flatMap((id) => [...receivers, ...receivers].map(({ hook }) => deliver(hook, payload('push'), { id }))))
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(20)
  expect(answers.filter(({ body }) => body.result === 'duplicate')).toHaveLength(60)
  const named = new Set(answers.map(({ body }) => body.entry))
  expect([...named].sort()).toEqual(entriesOf(home))
  expect(named.size).toBe(20)

  await Promise.all(receivers.map((running) => running.stop(0)))
  const { hook } = await receiverOf(home)
  expect(await deliver(hook, payload('push'), { id: 'd7' })).toMatchObject({ status: 200, body: { result: 'duplicate' } })
  expect(entriesOf(home)).toHaveLength(20)
})

test('the same id at two hooks is two deliveries', async () => {
  const home = tempDir()
  const { url } = await receiverOf(home, { hooks: [{ id: 'a', secret: 'not-a-real-secret' }, { id: 'b', secret: 'not-a-real-secret' }] })
  expect(await deliver(`${url}/webhook/a`, payload('push'), { id: 'd' })).toMatchObject({ status: 202 })
  expect(await deliver(`${url}/webhook/b`, payload('push'), { id: 'd' })).toMatchObject({ status: 202 })
})

test.each(['queue/tmp', 'queue', 'ledger/delivery'])('where %s cannot be written the answer is 503, and the redelivery is accepted once it can', async (place) => {
  const home = tempDir()
  const { hook } = await receiverOf(home)
  renameSync(join(home, place), join(home, 'away'))
  writeFileSync(join(home, place), '')
  const refused = await deliver(hook, payload('push'), { id: 'd' })
  expect(refused).toMatchObject({ status: 503, body: { result: 'unavailable', reason: expect.stringMatching(/could not be made durable \(E[A-Z]+\)/) } })
  expect(refused.headers.get('retry-after')).toBe('60')
  rmSync(join(home, place))
  renameSync(join(home, 'away'), join(home, place))
  expect(await deliver(hook, payload('push'), { id: 'd' })).toMatchObject({ status: 202 })
  expect(entriesOf(home)).toHaveLength(1)
})

// Mounting needs root; without it the tests above stand for these.
test.skipIf(!canMount)('a full disk is answered 503, and the redelivery is accepted once there is room', async () => {
  const { path } = smallDisk(256 * 1024)
  const { hook } = await receiverOf(path)
  mkdirSync(join(path, 'filler'))
  fill(join(path, 'filler/file'))
  expect(await deliver(hook, payload('push'), { id: 'd' })).toMatchObject({ status: 503, body: { reason: expect.stringContaining('ENOSPC') } })
  expect(entriesOf(path)).toEqual([])
  rmSync(join(path, 'filler/file'))
  expect(await deliver(hook, payload('push'), { id: 'd' })).toMatchObject({ status: 202 })
  expect(entriesOf(path)).toHaveLength(1)
})

test.skipIf(!canMount)('a disk that became read-only is answered 503, and the redelivery is accepted afterwards', async () => {
  const disk = smallDisk(1024 * 1024)
  const { hook } = await receiverOf(disk.path, {}, tempDir())
  disk.remount('ro')
  expect(await deliver(hook, payload('push'), { id: 'd' })).toMatchObject({ status: 503, body: { reason: expect.stringContaining('EROFS') } })
  disk.remount('rw')
  expect(await deliver(hook, payload('push'), { id: 'd' })).toMatchObject({ status: 202 })
})

async function receiverOf(home: string, rooms: Parameters<typeof receiver>[0] = {}, ledgerDirectory = join(home, 'ledger')) {
  const ledger = openLedger(ledgerDirectory)
  return { ...(await receiver({ ...rooms, ledger, queue: openDirectoryQueue(home, { ledger }) })), ledger }
}

function entriesOf(home: string): string[] {
  return readdirSync(join(home, 'queue')).filter((name) => name.endsWith('.json')).sort()
}

function fill(path: string): void {
  const block = Buffer.alloc(4096)
  for (;;) {
    try {
      writeFileSync(path, block, { flag: 'a' })
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' })
      return
    }
  }
}
