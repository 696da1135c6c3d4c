// `jiti bench/receiver/servers.ts KIND DIRECTORY`: what Quern's receiver is measured against. Prints its port.
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { close, closeSync, fsync, openSync, promises, renameSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { webhookApp } from '../../src/webhook/app.ts'
import { startReceiver } from '../../src/webhook/start-receiver.ts'
import { secret } from './load.ts'

const [kind, directory] = process.argv.slice(2) as [string, string]
if (kind === 'no-disk') await startWithoutDisk()
else startBare({ 'hmac-only': async () => {}, 'fsync-promises': keepByPromises, 'fsync-callbacks': keepByCallbacks }[kind]!)

/** Quern's receiver whose queue, ledger and log keep nothing. */
async function startWithoutDisk(): Promise<void> {
  const app = webhookApp({
    hooks: [{ id: 'amp_main', secret }],
    homeId: 'test',
    prefix: '/webhook',
    queue: { enqueue: async (request) => ({ entry: `${request.delivery}.json`, duplicate: false }) },
    ledger: { decide: () => {} },
    log: pino({ level: 'silent' }),
    afterQueued: () => {},
  })
  console.log(new URL((await startReceiver(app, { host: '127.0.0.1', port: 0 })).url).port)
}

/** What one would write in an afternoon: verify, parse, keep the five keys, answer. */
function startBare(keep: (name: string, entry: string) => Promise<void>): void {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', async () => {
      const body = Buffer.concat(chunks)
      const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
      const given = Buffer.from(String(incoming.headers['x-hub-signature-256']))
      if (expected.length !== given.length || !timingSafeEqual(expected, given)) return outgoing.writeHead(401).end()
      const name = `${Date.now()}-${randomUUID()}.json`
      await keep(name, entryOf(JSON.parse(body.toString())))
      const answer = JSON.stringify({ entry: name })
      outgoing.writeHead(202, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer)
    })
  })
  server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
}

function entryOf({ ref, repository, head_commit: commit }: { ref: string; repository: { name: string }; head_commit: { id: string; committer: { name: string; email: string } } }): string {
  return JSON.stringify({ repository: repository.name, ref, commit_id: commit.id, committer_name: commit.committer.name, committer_email: commit.committer.email })
}

async function keepByPromises(name: string, entry: string): Promise<void> {
  const temporary = join(directory, `.${name}`)
  const file = await promises.open(temporary, 'wx')
  await file.writeFile(entry)
  await file.sync()
  await file.close()
  await promises.rename(temporary, join(directory, name))
  const folder = await promises.open(directory, 'r')
  await folder.sync()
  await folder.close()
}

async function keepByCallbacks(name: string, entry: string): Promise<void> {
  const temporary = join(directory, `.${name}`)
  const file = openSync(temporary, 'wx')
  writeSync(file, entry)
  await promisify(fsync)(file)
  closeSync(file)
  renameSync(temporary, join(directory, name))
  const folder = openSync(directory, 'r')
  await promisify(fsync)(folder)
  await promisify(close)(folder)
}
