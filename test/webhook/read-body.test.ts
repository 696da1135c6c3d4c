import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { openBodyReader } from '../../src/webhook/read-body.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const megabyte = 1024 * 1024

test('a body that is given up takes no memory, though its connection is still there for its answer', async () => {
  const read = openBodyReader({ size: 8 * megabyte, time: 60_000, together: 8 * megabyte })
  const connections: PassThrough[] = []
  const answers: Promise<unknown>[] = []
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  for (let sender = 0; sender < 20; sender++) {
    const connection = Object.assign(new PassThrough(), { headers: {} })
    connections.push(connection)
    answers.push(read(connection as unknown as IncomingMessage).catch((error: Error) => error.message))
    connection.write(Buffer.alloc(5 * megabyte))
    await turn()
  }
  connections.at(-1)!.end()
  expect(await Promise.all(answers)).toMatchObject([...Array<string>(19).fill('too many bodies are being received at once'), { length: 5 * megabyte }])
  // What was found to be garbage is given back a while later.
  const held = () => {
    collectGarbage()
    return (process.memoryUsage().arrayBuffers - before) / megabyte
  }
  await expect.poll(held, { timeout: 10_000 }).toBeLessThan(30)
  expect(connections.every(({ destroyed }, index) => index === 19 || !destroyed)).toBe(true)
})
