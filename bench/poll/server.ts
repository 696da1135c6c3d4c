// A server for bench/poll.ts, in a process of its own: the answers of the tests' fake Patchwork, rendered once, so that
// the time that a server takes is the same small one for everybody. Prints its address.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startFakePatchwork } from '../../test/helpers/fake-patchwork.ts'

const count = Number(process.argv[2])
const fake = await startFakePatchwork()
for (let index = 0; index < count; index++) {
  const name = `area: number ${index}`
  fake.addSeries({ patches: [{ name, mail: `Subject: ${name}\n\nText.\n\ndiff --git a/a b/a\n` }], date: dateOf(index) })
}

const answers = new Map<string, { status: number; headers: Record<string, string>; body: string }>()

const server = createServer((request, response) => {
  void answer(request.url!).then(({ status, headers, body }) => response.writeHead(status, headers).end(body))
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
process.on('disconnect', () => process.exit())

async function answer(path: string) {
  const known = answers.get(path)
  if (known !== undefined) return known
  const response = await fetch(fake.url + path, { headers: { accept: 'application/json' } })
  const link = response.headers.get('link')
  const rendered = { status: response.status, headers: { 'content-type': 'application/json', ...(link !== null && { link }) }, body: await response.text() }
  answers.set(path, rendered)
  return rendered
}

/** One series a second. */
function dateOf(index: number): string {
  return `${new Date(Date.UTC(2026, 10, 21) + index * 1000).toISOString().slice(0, 19)}.000001`
}
