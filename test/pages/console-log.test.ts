/** @module-tag long */
import { appendFileSync, readdirSync, readFileSync, readlinkSync, truncateSync } from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../helpers/a-home.ts'
import { aServer } from '../helpers/a-server.ts'
import { aSite } from '../helpers/a-site.ts'

const path = '/builds/acme~app/7/build/console.log'

test('a log is sent byte by byte as plain text that no browser takes for anything else', async () => {
  const site = await aSite()
  const log = Buffer.concat([Buffer.from('<script>alert(1)</script>\0\u001b[31m\r\n'), Buffer.from([0xff, 0xfe, 0xe9]), Buffer.alloc(300_000, 'x')])
  await site.decide({ left: { build: { log } } })
  const response = await site.get(path)
  expect(Object.fromEntries(response.headers)).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'content-length': String(log.length), 'x-content-type-options': 'nosniff' })
  expect(Buffer.from(await response.arrayBuffer()).equals(log)).toBe(true)
})

test('a log that is being written is sent as far as it is; one that is empty, or not there yet, says so', async () => {
  const site = await aSite()
  await site.begin({ plan: { runs: [] }, left: { build: { log: 'one\n' }, silent: {} } })
  expect(await site.text(path)).toBe('one\n')
  appendFileSync(join(site.home, 'builds/acme~app/7/runs/build/console.log'), 'two\n')
  expect(await site.text(path)).toBe('one\ntwo\n')
  const silent = await site.get('/builds/acme~app/7/silent/console.log')
  expect([silent.status, await silent.text()]).toEqual([200, ''])
  expect((await site.get('/builds/acme~app/7/other/console.log')).status).toBe(404)
})

test('so many logs are read at a time, the next reader is told to come again; readers that leave leave no file open', async () => {
  const site = await aSite()
  await site.decide({ left: { build: { log: 'x\n' } } })
  const file = join(site.home, 'builds/acme~app/7/runs/build/console.log')
  truncateSync(file, 512 * 1024 * 1024)
  const readers = await Promise.all(Array.from({ length: 16 }, () => slowReader(site.server.url + path)))
  expect(readers.map(({ statusCode }) => statusCode)).toEqual(readers.map(() => 200))
  const refused = await site.get(path)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
  expect((await site.get(path, { method: 'HEAD' })).status).toBe(200)
  for (const reader of readers) reader.destroy()
  await until('no reader is left', () => openFiles().every((name) => name !== file))
  const next = await slowReader(site.server.url + path)
  expect(next.statusCode).toBe(200)
  next.destroy()
})

test('a log of a gigabyte does not go through the memory of the receiver, whether its reader is fast or slow', async () => {
  const server = await aServer({ chunks: { build_packages: 'echo a word\n' }, settings: { PUBLIC_URL: 'https://ci.example.org', BUILD_ON_PUSH: '0' } })
  server.drop()
  await server.build()
  const [pipeline] = server.list('builds').filter((name) => !name.endsWith('.jsonl'))
  const log = `/builds/${pipeline}/1/build/console.log`
  truncateSync(join(server.home, `builds/${pipeline}/1/runs/build/console.log`), 1024 ** 3)
  const receiver = await server.serve()
  const origin = new URL(receiver.hook).origin
  await (await fetch(`${origin}/builds/${pipeline}/1`)).text()
  const before = peakOf(receiver.child.pid!)
  const slow = await slowReader(origin + log)
  expect(await lengthOf(origin + log)).toBe(1024 ** 3)
  slow.destroy()
  expect(peakOf(receiver.child.pid!) - before).toBeLessThan(100)
  expect(await receiver.stop()).toBe(0)
}, 60_000)

/** A reader that takes the headers and then nothing more. */
function slowReader(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false }, (response) => resolve(response.on('error', () => {}))).on('error', reject)
  })
}

function lengthOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false }, (response) => {
      let length = 0
      response.on('data', (chunk: Buffer) => (length += chunk.length)).on('end', () => resolve(length)).on('error', reject)
    }).on('error', reject)
  })
}

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      // Closed meanwhile, like the directory itself.
      return ''
    }
  })
}

/** MB. */
function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}
