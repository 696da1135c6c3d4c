import { mkdirSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openPages } from '../../src/pages/open-pages.ts'
import { aSite } from '../helpers/a-site.ts'
import { plannedRun } from '../helpers/failed-build.ts'
import { deliver, payload, receiver } from '../helpers/receiver.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const left = { build: { log: 'a word\n' } }

test.each(['/builds/acme~app/7', '/builds/acme~app/7/build', '/builds/acme~app/7/build/console.log', '/builds/acme~app/8'])('%s may load nothing but its own style, be framed by nobody, and is kept by nobody', async (path) => {
  const site = await aSite()
  await site.decide({ left })
  const { headers } = await site.get(path)
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('x-robots-tag')).toBe('noindex, nofollow')
  expect(headers.get('cache-control')).toBe('no-cache')
  expect(headers.get('set-cookie')).toBe(null)
})

test('pages are only read: every other method is refused, and so is a body', async () => {
  const site = await aSite()
  await site.decide({ left })
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const response = await site.get('/builds/acme~app/7', { method, ...(method !== 'OPTIONS' && { body: 'x' }) })
    expect([response.status, response.headers.get('allow')], method).toEqual([405, 'GET, HEAD'])
  }
  expect(await statusWithBody(`${site.server.url}/builds/acme~app/7/build/console.log`)).toBe(400)
})

test.each(['/builds/acme~app/7', '/builds/acme~app/7/build/console.log'])('HEAD of %s tells what GET does, without the body', async (path) => {
  const site = await aSite()
  await site.decide({ left })
  const [get, head] = [await site.get(path), await site.get(path, { method: 'HEAD' })]
  expect(head.status).toBe(200)
  expect(await head.text()).toBe('')
  for (const name of ['content-type', 'etag', 'content-security-policy']) expect(head.headers.get(name)).toBe(get.headers.get(name))
})

test.each(['/builds/acme~app/7', '/builds/acme~app/7/build', '/builds/acme~app/7/build/console.log'])('%s is not sent again to whoever has it, until it changes', async (path) => {
  const site = await aSite()
  const record = await site.begin({ plan: { runs: [plannedRun('build')] }, left })
  const tag = (await site.get(path)).headers.get('etag')!
  const again = await site.get(path, { headers: { 'If-None-Match': tag } })
  expect([again.status, await again.text()]).toEqual([304, ''])
  await record.decide(await site.decide({ left: { build: { log: 'a word\nand another\n' } } }))
  expect((await site.get(path, { headers: { 'If-None-Match': tag } })).status).toBe(200)
})

describe('below a path', () => {
  test('pages answer with it and without it, and link with it', async () => {
    const site = await aSite({ publicUrl: 'https://example.org/team/ci' })
    await site.decide({ left })
    for (const base of ['', '/team/ci']) {
      const page = await site.text(`${base}/builds/acme~app/7`)
      expect(page).toContain('<th scope="row"><a href="/team/ci/builds/acme~app/7/build">build</a></th>')
      expect(await site.text(`${base}/builds/acme~app/7/build`)).toContain('<a href="/team/ci/builds/acme~app/7/build/console.log">')
      expect(await site.text(`${base}/builds/acme~app/7/build/console.log`)).toBe('a word\n')
    }
    expect((await site.get('/team/builds/acme~app/7')).status).toBe(404)
  })

  test('the address itself tells a browser where builds are, and names none; a program is told as ever that nothing is there', async () => {
    const site = await aSite({ publicUrl: 'https://example.org/team/ci' })
    await site.decide({ left })
    const browser = { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } }
    for (const path of ['/', '/team/ci', '/team/ci/', '/builds', '/builds/', '/team/ci/builds']) {
      const response = await site.get(path, browser)
      const page = await response.text()
      expect([response.status, response.headers.get('content-security-policy')], path).toEqual([200, expect.stringContaining("default-src 'none'")])
      expect(page).toContain('/team/ci/builds/&lt;pipeline&gt;/&lt;number&gt;')
      expect(page).not.toContain('acme')
    }
    expect((await site.get('/team', browser)).status).toBe(404)
    expect(await (await site.get('/')).json()).toMatchObject({ result: 'refused', reason: 'there is nothing here' })
  })

  test('a slash at the end leads to the same page', async () => {
    const site = await aSite()
    await site.decide({ left })
    expect(await site.text('/builds/acme~app/7/')).toBe(await site.text('/builds/acme~app/7'))
  })
})

describe('beside the hooks', () => {
  test('without a public address there are none', async () => {
    const server = await receiver()
    expect(await (await fetch(`${server.url}/builds/acme~app/7`)).json()).toMatchObject({ result: 'refused', reason: 'there is nothing here' })
  })

  test('they take nothing from hooks, whatever the prefix of these', async () => {
    const home = tempDir()
    mkdirSync(join(home, 'builds'))
    for (const prefix of ['', '/builds', '/webhook']) {
      const server = await receiver({ prefix, elsewhere: openPages({ home, publicUrl: 'https://ci.example.org', ciName: 'Mill', log: { error: () => {} } }) })
      expect(await deliver(`${server.url}${prefix}/amp_main`, payload('push'))).toMatchObject({ status: 202 })
      const nowhere = await fetch(`${server.url}/elsewhere/at/all`)
      expect([nowhere.status, nowhere.headers.get('content-type')]).toEqual([404, 'application/json'])
      expect((await fetch(`${server.url}/builds/acme~app/7`)).headers.get('content-type')).toBe('text/html; charset=UTF-8')
    }
  })

  test('where more readers come than pages can be drawn, some are told to come again, and deliveries are taken meanwhile', { tags: 'long' }, async () => {
    const site = await aSite()
    const runs = Array.from({ length: 1500 }, (_, index) => plannedRun(`run ${index}`))
    await site.begin({ plan: { runs } })
    const asked = Array.from({ length: 120 }, () => site.get('/builds/acme~app/7'))
    expect(await deliver(site.server.hook, payload('push'))).toMatchObject({ status: 202 })
    const answers = await Promise.all(asked)
    const busy = answers.filter(({ status }) => status === 503)
    expect(busy.length).toBeGreaterThan(0)
    expect(busy[0]!.headers.get('retry-after')).toBe('5')
    expect(answers.filter(({ status }) => status === 200).length).toBe(answers.length - busy.length)
    expect((await site.get('/builds/acme~app/7')).status).toBe(200)
  })
})

/** Fetch gives no body to a GET. */
function statusWithBody(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: 'GET', headers: { 'content-length': '10' } }, (response) => resolve(response.resume().statusCode))
    request.on('error', reject)
    request.write('x')
  })
}
