import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { recordedOrigin, recording, startFakePatchwork, type FakePatchwork, type Recording } from '../helpers/fake-patchwork.ts'

/** What of a recording depends on the moment or on what others had posted before it. */
const unlike = new Map([
  ['etag-none', 'asks for the newest event of all, recorded later'],
  ['series-incomplete-after-late-patch', 'recorded after one more mail'],
])

const names = readdirSync(fileURLToPath(new URL('../fixtures/patchwork/responses/', import.meta.url)))
  .map((file) => file.replace(/\.json$/, ''))
  .filter((name) => recording(name).request !== undefined && !unlike.has(name))

test.each(names)('answers like the real server: %s', async (name) => {
  const { request, response } = recording(name)
  const fake = await started()
  await post(fake, name)

  const answer = await fetch(fake.url + request.path, { method: request.method, headers: request.headers, body: request.body, redirect: 'manual' })
  const body = (await answer.text()).replaceAll(fake.url, recordedOrigin)

  expect(answer.status).toBe(response.status)
  expect(answer.headers.get('content-type')?.split(';')[0] ?? null, 'Content-Type').toBe(response.headers['Content-Type']?.split(';')[0] ?? null)
  expect(answer.headers.get('link')?.replaceAll(fake.url, recordedOrigin) ?? undefined, 'Link').toBe(response.headers['Link'])
  if (response.status < 400 || response.headers['Content-Type'] === 'application/json') compareBodies(body, response)
  if (response.status >= 300 && response.status < 400) expect(answer.headers.get('location')).toBe(response.headers['Location'])
})

/** What had been posted when a list of checks was recorded. */
const earlier: Record<string, string[]> = { 'checks-list': ['check-post-pending', 'check-post-success'] }

async function started(): Promise<FakePatchwork> {
  const fake = await startFakePatchwork({ recorded: true })
  onTestFinished(() => fake.close())
  return fake
}

/** Lists of checks were recorded after these had been posted. */
async function post(fake: FakePatchwork, name: string): Promise<void> {
  const before = earlier[name] ?? []
  for (const each of before) {
    const { request } = recording(each)
    await fetch(fake.url + request.path, { method: 'POST', headers: request.headers, body: request.body })
  }
}

function compareBodies(body: string, response: Recording['response']): void {
  if (response.json === undefined) expect(body).toBe(response.text)
  else expect(steady(JSON.parse(body))).toEqual(steady(response.json))
}

/** Without the numbers and dates of checks, which depend on what was posted before. */
function steady(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(steady)
  if (typeof json !== 'object' || json === null || !('context' in json) || !('id' in json)) return json
  const { id: _id, url: _url, date: _date, ...rest } = json as Record<string, unknown>
  return rest
}
