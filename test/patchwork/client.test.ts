import { expect, onTestFinished, test, vi } from 'vitest'
import { openPatchwork, type ClientOptions } from '../../src/patchwork/client.ts'
import { maintainerToken, recording, startFakePatchwork, type FakePatchwork } from '../helpers/fake-patchwork.ts'

async function opened(options: Partial<ClientOptions> = {}): Promise<{ fake: FakePatchwork; client: ReturnType<typeof openPatchwork> }> {
  const fake = await startFakePatchwork({ recorded: true })
  onTestFinished(() => fake.close())
  return { fake, client: openPatchwork({ url: `${fake.url}/`, project: 'ffmpeg', backOff: 5, ...options }) }
}

async function all<T>(pages: AsyncGenerator<T[]>): Promise<T[]> {
  const items: T[] = []
  for await (const page of pages) items.push(...page)
  return items
}

test('events come oldest first, from a date of the server on, that date included', async () => {
  const { client } = await opened()
  const events = await all(client.events('series-completed'))

  expect(events).toHaveLength(21)
  expect(events.map(({ date }) => date)).toEqual(events.map(({ date }) => date).toSorted())
  expect((await all(client.events('series-completed', events[9]!.date)))[0]).toEqual(events[9])
  expect(await client.newest('series-completed')).toEqual(events.at(-1))
})

test('names that the server could not make out are empty', async () => {
  const { client } = await opened()

  expect(await client.series(12)).toMatchObject({ name: '', version: 2, received_all: false })
})

test('the next page is asked of the configured server, whatever host its link names', async () => {
  const { fake, client } = await opened()
  const other = await startFakePatchwork()
  onTestFinished(() => other.close())
  const headers = { 'content-type': 'application/json', link: `<${other.url}/api/1.3/events/?order=date&page=2&project=ffmpeg>; rel="next", <${other.url}/x>; rel="first"` }
  fake.troubles.push({ match: /events/, times: 1, status: 200, headers, body: '[]' })

  await all(client.events('series-completed')).catch(() => undefined)

  expect(fake.requests.at(-1)!.path).toBe('/api/1.3/events/?order=date&page=2&project=ffmpeg')
  expect(other.requests).toEqual([])
})

test('a mail is read through the redirect to its Message-ID, and not through one to another server', async () => {
  const { fake, client } = await opened()
  expect((await client.patchMbox(2)).toString()).toBe(recording('patch-mbox').response.text)

  fake.troubles.push({ match: /mbox/, times: 1, status: 302, headers: { location: 'http://127.0.0.1:9/patch/2/mbox/' }, body: '' })
  await expect(client.patchMbox(2)).rejects.toThrow(/redirected to another server, http:\/\/127\.0\.0\.1:9/)
})

test('an answer without bounds is given up', async () => {
  const { fake, client } = await opened({ maxBytes: 10_000 })
  fake.troubles.push({ match: /series\/2/, times: 1, status: 200, body: 'x'.repeat(20_000) })

  await expect(client.series(2)).rejects.toThrow(/longer than 10000 bytes/)
})

test.each([
  ['{"id": 2}', /unexpected answer: name: Invalid key/],
  ['[]', /unexpected answer: /],
  ['{"id": 2', /expected JSON, got application\/json: \{"id": 2/],
])('an answer of another form says where: %s', async (body, message) => {
  const { fake, client } = await opened()
  fake.troubles.push({ match: /series\/2/, times: 1, status: 200, headers: { 'content-type': 'application/json' }, body })

  await expect(client.series(2)).rejects.toThrow(message)
})

test('a server that has no such API is not said to lack the project', async () => {
  const { fake, client } = await opened({ project: 'nope' })
  expect(await client.hasProject()).toBe(false)
  fake.troubles.push({ match: /projects/, times: 1, status: 404, headers: { 'content-type': 'text/html' }, body: '<html><head><title>Page not found at /api/1.3/projects/nope/</title></head></html>' })
  await expect(client.hasProject()).rejects.toThrow(/404: Page not found at .*; expected the API 1\.3 of Patchwork there/)
})

test('what passes is tried again, after the time that the server asks for', async () => {
  const { fake, client } = await opened()
  fake.troubles.push({ match: /series\/2/, times: 1, status: 502, body: '' }, { match: /series\/2/, times: 1, status: 429, headers: { 'retry-after': '1' }, body: '' })
  const start = Date.now()

  expect(await client.series(2)).toMatchObject({ id: 2 })
  expect(Date.now() - start).toBeGreaterThanOrEqual(1000)
  expect(fake.requests).toHaveLength(3)
})

test('what is wrong for good, and what would be done twice, is not tried again', async () => {
  const { fake, client } = await opened({ token: maintainerToken })
  await expect(client.series(99999)).rejects.toMatchObject({ status: 404, detail: 'Not found.' })
  expect(fake.requests).toHaveLength(1)

  fake.troubles.push({ match: /POST/, times: 5, status: 502, body: '' })
  await expect(client.postCheck(2, { state: 'success', context: 'c', description: '' })).rejects.toMatchObject({ status: 502 })
  expect(fake.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
})

test('requests keep their distance', async () => {
  const { client } = await opened({ interval: 50 })
  const start = Date.now()

  await Promise.all([1, 2, 3, 4, 5].map((id) => client.series(id)))

  expect(Date.now() - start).toBeGreaterThanOrEqual(4 * 50 - 5)
})

test('a clock that steps back an hour keeps no request waiting', async () => {
  const { client } = await opened({ interval: 50 })
  await client.series(1)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3600_000 })
  onTestFinished(() => void vi.useRealTimers())
  await client.series(2)
})

test('a server that is not there is told with its address', async () => {
  const client = openPatchwork({ url: 'http://127.0.0.1:9', project: 'x', tries: 1 })

  await expect(client.newest('series-completed')).rejects.toThrow(/GET http:\/\/127\.0\.0\.1:9\/api\/1\.3\/events\/.*: no answer: .*ECONNREFUSED/)
})

test('the token goes with posts only', async () => {
  const { fake, client } = await opened({ token: maintainerToken })

  await client.checks(2, 'c')
  await client.postCheck(2, { state: 'success', context: 'c', description: 'x' })

  expect(fake.requests.map(({ method, headers }) => [method, headers.authorization])).toEqual([['GET', undefined], ['POST', `Token ${maintainerToken}`]])
})
