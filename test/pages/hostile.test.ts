import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aSite, runPath, wordsOf } from '../helpers/a-site.ts'
import { failedRun, plannedRun } from '../helpers/failed-build.ts'

/** The markup that pages are made of, and nothing else. */
const ours = /^<(?:!doctype html|\/?(?:html|head|title|body|header|main|nav|h1|h2|p|dl|dt|dd|pre|code|ol|li|table|thead|tbody|tr|td|th|span|time|div|a)(?: (?:lang|class|href|id|datetime|role|scope|tabindex|aria-label|aria-labelledby)="[^"<>]*")*|meta (?:charset="utf-8"|name="viewport" content="width=device-width, initial-scale=1"))>$/

// eslint-disable-next-line no-control-regex
const harmful = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

const words = [
  '<script>alert(1)</script>',
  `"onmouseover="alert(1)`,
  `'><img src=x onerror=alert(1)>`,
  '</pre></title></style><iframe src="javascript:alert(1)">',
  '&lt;b&gt;&amp;',
  '<!--',
  'NUL\0 escape\u001b[2J\u001b]0;title\u0007 \u202ereversed\u2066 \u200f',
  '../../../../etc/passwd',
  '%3Cscript%3E',
  'שלום',
  '\ud800',
  'x'.repeat(10_000),
]

test.each(words)('%j, in the place of every name and word, adds nothing to a page', async (word) => {
  const site = await aSite()
  const names = [word, `${word}2`]
  const runs = names.map((name) => failedRun(name, { reason: word, note: word, reused: `${word}/1`, reused_run: word, repeats: word, signal: word, blame: { class: 'new', reason: word } }))
  await site.decide({
    request: { message: word, committer_name: word, author_name: word, pull_request: { number: 1, base_ref: 'refs/heads/main' }, retry_of: word, blame: { for: word, runs: [word] } },
    plan: { pipeline: `file:${word}`, why: word, runs: names.map((name) => plannedRun(name, { needs: names.filter((other) => other !== name), image: word })) },
    result: { ref: `refs/heads/${word}`, repository: word, full_name: word, commit_id: word, reason: word, started: word, ended: word, runs, blame: { class: 'new', reason: word } },
    left: Object.fromEntries(names.map((name) => [name, { log: `${word}\nfile.c:1:1: error: ${word}\n`, artifacts: [{ path: word, size: 1 }] }])),
  })
  for (const path of ['/builds/acme~app/7', ...names.map((name) => runPath('acme~app/7', name))]) {
    const response = await site.get(path)
    const page = await response.text()
    expect(response.status).toBe(200)
    expect(page.length).toBeLessThan(60_000)
    const [style] = /<style>[^]*?<\/style>/.exec(page)!
    expect(page.replace(style, '')).not.toMatch(harmful)
    for (const [tag] of page.replace(style, '').matchAll(/<[^>]*>?/g)) expect(tag).toMatch(ours)
    for (const [, link] of page.matchAll(/href="([^"]*)"/g)) expect(link).toMatch(/^(?:\/builds\/[\w~.%=,+@-]+\/\d+(?:\/[\w~.%=,+@-]+)?(?:\/console\.log)?|#end)$/)
    if (word.length < 100 && !harmful.test(word) && word !== '\ud800') expect(wordsOf(page)).toContain(word)
  }
  expect(site.errors).toEqual([])
})

const secret = 'not-for-readers'

test.each([
  '/builds/../environment.sh',
  '/builds/%2e%2e/environment.sh',
  '/builds/%2e%2e/1',
  '/builds/..%2f../1',
  '/builds/acme~app/7/../../../environment.sh',
  '/builds/acme~app/7/%2e%2e%2f%2e%2e%2f%2e%2e%2fenvironment.sh',
  '/builds/acme~app/7/..%2f..%2f..%2fenvironment.sh/console.log',
  '/builds/acme~app/7/%2e%2e/console.log',
  '/builds/acme~app/7/../console.log',
  '/builds/acme~app/7/build/..%2fscript',
  '/builds/acme~app/7/build/script',
  '/builds/acme~app/7/build%00/console.log',
  '/builds/acme~app/7/BUILD',
  '/builds/acme~app/7/stray',
  '/builds/acme~app/7/stray/console.log',
  '/builds/acme~app/7/plan.json',
  '/builds/acme~app/07',
  '/builds/acme~app/7e0',
  '/builds/acme~app/-7',
  '/builds/acme~app/8',
  '/builds/acme~app/99999999999999999999',
  '/builds/.hidden/1',
  '/builds/nothing/1',
  '/builds/acme~app%2f7/7',
  '/builds/%/1',
  '/builds/%ff%fe/1',
  '/builds/acme~app',
  '/builds/index.jsonl',
  '/builds//7',
  `/builds/${'x'.repeat(10_000)}/1`,
  '/builds/acme~app/7/build/console.log/..%2f..%2fplan.json',
])('%s leads nowhere', async (path) => {
  const site = await aSite()
  await site.decide({ left: { build: { log: 'a word\n' } } })
  writeFileSync(join(site.home, 'environment.sh'), secret)
  for (const name of ['.hidden/1', 'acme~app/7/runs/stray']) {
    mkdirSync(join(site.home, 'builds', name), { recursive: true })
    writeFileSync(join(site.home, 'builds', name, 'console.log'), secret)
  }
  writeFileSync(join(site.home, 'builds/acme~app/7/runs/build/script'), secret)
  const { status, body } = await askRaw(site.server.url, path)
  expect(status).toBe(404)
  expect(body).not.toContain(secret)
  expect(body).not.toContain('passwd')
  expect(body.length).toBeLessThan(6000)
  expect(site.errors).toEqual([])
})

test.each([
  '/webhook/a%2fb/../../builds/acme~app/7',
  '/webhook/%2e%2e/builds/acme~app/7/build/console.log',
  '/builds/..%2fwebhook%2fb/../acme~app/7',
  '/builds/./acme~app/7',
  'http://ci.example.org/webhook/a%2fb/../../builds/acme~app/7',
  'http:///builds/acme~app/7',
])('%s is no page: a proxy that guards /builds/ may take it for another path', async (path) => {
  const site = await aSite()
  await site.decide({ left: { build: { log: 'a word\n' } } })
  for (const plain of ['/builds/acme~app/7?x=/../y', 'http://ci.example.org:8196/builds/acme~app/7?x=/../y']) expect((await askRaw(site.server.url, plain)).status).toBe(200)
  expect(await askRaw(site.server.url, path)).toMatchObject({ status: 404, body: expect.stringContaining('there is nothing here') })
})

test('a log that is a link to elsewhere is not sent', async () => {
  const site = await aSite()
  await site.decide({ result: { runs: [failedRun('build'), failedRun('linked')] }, left: { build: { log: 'a word\n' } } })
  writeFileSync(join(site.home, 'environment.sh'), secret)
  mkdirSync(join(site.home, 'builds/acme~app/7/runs/linked'))
  symlinkSync('../../../../../environment.sh', join(site.home, 'builds/acme~app/7/runs/linked/console.log'))
  expect(await site.text('/builds/acme~app/7/build/console.log')).toBe('a word\n')
  for (const path of ['/builds/acme~app/7/linked', '/builds/acme~app/7/linked/console.log']) expect(await site.text(path)).not.toContain(secret)
})

/** Asks for a path as it is, which fetch would tidy up. */
function askRaw(url: string, path: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text)).on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    }).on('error', reject).end()
  })
}
