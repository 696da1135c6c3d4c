/** @module-tag long */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { installHelpers, type HelperSettings } from '../../src/build/settle/install-helpers.ts'
import { withoutQuern } from '../../src/build/settle/without-quern.ts'
import { aPipelineHome } from '../helpers/a-pipeline-home.ts'
import { aRequest } from '../helpers/a-request.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

/** A server with one package, which defines jobs; counts how often it is fetched. */
async function packageServer() {
  const directory = join(tempDir(), 'package')
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'grist', version: '1.0.0', type: 'module', exports: './grist.ts', scripts: { postinstall: 'touch /tmp/quern-postinstall-ran; exit 1' } }))
  writeFileSync(join(directory, 'grist.ts'), "export const jobs = (p: any) => void p.job('from a package', 'echo grist')\n")
  const packed = join(directory, '../grist.tgz')
  execFileSync('tar', ['-czf', packed, '-C', join(directory, '..'), 'package'])
  const archive = readFileSync(packed)
  let fetched = 0
  const server = createServer((_, answer) => {
    fetched++
    answer.end(archive)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/grist.tgz`
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
  return { url, integrity, fetched: () => fetched }
}

function filesFor({ url, integrity }: { url: string; integrity: string }): Record<string, string> {
  const dependencies = { grist: '1.0.0' }
  return {
    '.quern/pipeline.ts': "import { pipeline } from 'quern'\nimport { jobs } from 'grist'\nexport default pipeline(jobs)\n",
    '.quern/package.json': JSON.stringify({ name: 'helpers', version: '1.0.0', dependencies }),
    '.quern/package-lock.json': JSON.stringify({
      name: 'helpers',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name: 'helpers', version: '1.0.0', dependencies }, 'node_modules/grist': { version: '1.0.0', resolved: url, integrity, hasInstallScript: true } },
    }),
  }
}

test.skipIf(!sandbox)('packages are installed once for a lock file, without their install scripts, and serve untrusted requests, too', async () => {
  const server = await packageServer()
  const { buildCommit, result, console: log, list } = aPipelineHome()
  const files = filesFor(server)
  const first = await buildCommit(files)
  expect(result(first)).toMatchObject({ verdict: 'passed' })
  expect(log(first, 'from a package')).toBe('grist\n')
  expect(result(await buildCommit({ ...files, 'more.txt': 'x' })).verdict).toBe('passed')
  expect(result(await buildCommit({ 'more.txt': 'y' }, { source: 'github', trusted: false })).verdict).toBe('passed')
  expect(server.fetched()).toBe(1)
  expect(list('cache/helpers')).toEqual(['trusted'])
})

test.skipIf(!sandbox)('an untrusted request fetches nothing by itself, and what is at fault is told', async () => {
  const server = await packageServer()
  const { buildCommit, result, home } = aPipelineHome({ BLAME: 'never' })
  const files = filesFor(server)
  const untrusted = await buildCommit(files, { source: 'github', trusted: false })
  expect(result(untrusted)).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('untrusted requests of this repository get no network') })
  expect(server.fetched()).toBe(0)
  const tampered = filesFor({ ...server, integrity: `sha512-${Buffer.alloc(64).toString('base64')}` })
  expect(result(await buildCommit(tampered))).toMatchObject({ verdict: 'failed', reason: expect.stringMatching(/installing the packages of \.quern\/pipeline\.ts: npm ended with exit code \d+ \(.*EINTEGRITY/) })
  const away = filesFor({ ...server, url: 'http://127.0.0.1:9/grist.tgz' })
  expect(result(await buildCommit(away))).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('ECONNREFUSED') })
  const { '.quern/package-lock.json': _, ...unlocked } = files
  const lockless = aPipelineHome()
  expect(lockless.result(await lockless.buildCommit(unlocked))).toMatchObject({ verdict: 'failed', reason: '.quern/package.json names packages, but has no package-lock.json beside it: run "npm install" there and commit the file' })
  expect(readdirSync(join(home, 'cache'))).not.toContain('helpers')
})

test.skipIf(!sandbox).each([
  ['an archive', { resolved: 'file:../quern.tgz', version: '1.0.0', integrity: 'sha512-x', dependencies: { oats: '1.0.0' } }],
  ['a directory', { resolved: '../somewhere/quern', link: true }],
])('packages are installed where the project has the package quern from %s that is not here', async (_, quern) => {
  const server = await packageServer()
  const { buildCommit, result } = aPipelineHome()
  const files = filesFor(server)
  const manifest = JSON.parse(files['.quern/package.json']!)
  const lock = JSON.parse(files['.quern/package-lock.json']!)
  for (const one of [manifest, lock.packages['']]) one.devDependencies = { quern: `file:${quern.resolved.replace('file:', '')}` }
  Object.assign(lock.packages, { 'node_modules/quern': quern, '../somewhere/quern': { version: '1.0.0' }, 'node_modules/oats': { version: '1.0.0', resolved: 'http://127.0.0.1:9/oats.tgz', dev: true } })
  expect(result(await buildCommit({ ...files, '.quern/package.json': JSON.stringify(manifest), '.quern/package-lock.json': JSON.stringify(lock) }))).toMatchObject({ verdict: 'passed' })
})

test.each(['{"dependencies": {"grist": "1"}}', '{"packages": 5}', 'null', 'no JSON', '[]', '{"packages": {"": null}, "dependencies": "x"}'])('%s is installed as it stands', (text) => {
  expect(withoutQuern(text)).toBe(text)
})

test('what an untrusted request installed never serves a trusted one', async () => {
  const home = tempDir()
  const installed: string[] = []
  const install = async (trusted: boolean) => {
    const directory = mkdtempSync(join(home, 'work-'))
    const root = join(directory, 'tree')
    mkdirSync(join(root, '.quern'), { recursive: true })
    writeFileSync(join(root, '.quern/package.json'), '{"dependencies": {"grist": "1"}}')
    writeFileSync(join(root, '.quern/package-lock.json'), '{}')
    const execute: HelperSettings['execute'] = async (_, { workspace }) => {
      installed.push(trusted ? 'trusted' : 'untrusted')
      writeFileSync(join(workspace, 'node_modules/by'), installed.at(-1)!)
      return { ending: { verdict: 'passed', code: 0 }, printed: '' }
    }
    await installHelpers({ file: { path: '.quern/pipeline.ts', request: aRequest({ source: 'github', trusted }) }, root, directory, settings: { home, limits: { grace: 1 }, mayUseNetwork: () => true, execute } })
    return readFileSync(join(root, '.quern/node_modules/by'), 'utf8')
  }
  expect([await install(false), await install(false), await install(true), await install(true)]).toEqual(['untrusted', 'untrusted', 'trusted', 'trusted'])
  expect(installed).toEqual(['untrusted', 'trusted'])
})
