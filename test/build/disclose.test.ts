import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDisclosure } from '../../src/build/settle/disclose.ts'
import type { SettlerSettings } from '../../src/build/settle/settle.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import type { Request } from '../../src/model/request.ts'
import { environmentFiles, makeKey, openEnvironment } from '../../src/secrets/environment-files.ts'
import { aRequest } from '../helpers/a-request.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** A repository with OWN in its secrets/ci.enc, and a home that has its key and SERVER in secrets.yml. */
async function prepared({ request = {}, pipeline = 'file:.quern/pipeline.ts', runs = [] }: { request?: Partial<Request>; pipeline?: string; runs?: string[][] } = {}) {
  const repo = gitRepo()
  const files = environmentFiles(repo.path, 'ci')
  await makeKey(files)
  const text = (await openEnvironment(files)).encrypted(new Map([['OWN', 'not-real-own']]))
  const commit = repo.commit({ 'secrets/ci.enc': text })
  const home = tempDir()
  mkdirSync(join(home, 'secrets/acme~app'), { recursive: true })
  const key = join(home, 'secrets/acme~app/ci.key')
  copyFileSync(files.keyFile, key)
  writeFileSync(join(home, 'secrets.yml'), 'SERVER: not-real-server\n', { mode: 0o600 })
  const cache = join(home, 'cache/git')
  const mirror = await openMirrors(cache, { env: gitWorld(process.env), localPaths: true }).fetchMirror(repo.path, { commit })
  const settings = { home, cache, secretsEnv: 'ci', secretGrants: {}, token: { token: undefined, host: 'github.com' }, plan: { clone: {} } } as unknown as SettlerSettings
  const disclose = openDisclosure(settings, { request: aRequest({ full_name: 'acme/app', commit_id: commit, ...request }), plan: { pipeline, why: '', runs: runs.map(aRun), notify: [] }, mirror })
  return { key, file: readFileSync(files.file, 'utf8'), disclose: (secrets: string[]) => disclose(aRun(secrets)) }
}

function aRun(secrets: string[]): PlannedRun {
  return { executor: 'sandbox', workspace: 'commit', secrets } as unknown as PlannedRun
}

test('what one run of a build knows is hidden in what the others print, which may come upon it in a tree or a shared directory', async () => {
  const { disclose } = await prepared({ runs: [['OWN'], ['SERVER'], ['OTHER'], []] })
  expect(await disclose([])).toEqual({ env: {}, hidden: ['not-real-own'], withheld: [] })
  expect(await disclose(['OWN'])).toEqual({ env: { OWN: 'not-real-own' }, hidden: ['not-real-own'], withheld: [] })
  const ofServer = await prepared({ pipeline: 'job:nightly', runs: [['SERVER'], []] })
  expect(await ofServer.disclose([])).toEqual({ env: {}, hidden: ['not-real-server'], withheld: [] })
})

test('a repository\'s own pipeline gets the secrets that it brings along, hidden in what it prints', async () => {
  const { disclose, file } = await prepared()
  expect(file).not.toContain('not-real')
  expect(await disclose(['OWN'])).toEqual({ env: { OWN: 'not-real-own' }, hidden: ['not-real-own'], withheld: [] })
  expect(await disclose(['SERVER'])).toMatchObject({ env: {}, withheld: [expect.stringMatching(/does not grant it to acme\/app/)] })
  expect(await disclose([])).toEqual({ env: {}, hidden: [], withheld: [] })
})

test('an untrusted request that brings the file along gets nothing of it', async () => {
  const { disclose } = await prepared({ request: { source: 'github', trusted: false } })
  expect(await disclose(['OWN', 'SERVER'])).toMatchObject({ env: {}, hidden: [] })
})

test('another repository that copied the file gets nothing of it', async () => {
  const { disclose } = await prepared({ request: { full_name: 'evil/app' } })
  await expect(disclose(['OWN'])).rejects.toThrow(/secrets\/evil~app\/ci\.key is missing/)
})

test('a key that is missing stops only a run that needs it', async () => {
  const { disclose, key } = await prepared()
  rmSync(key)
  await expect(disclose(['OWN'])).rejects.toThrow(/ci\.key is missing, so secrets\/ci\.enc of acme~app cannot be read/)
  expect((await disclose(['SERVER'])).withheld).toHaveLength(1)
})

test('a job definition of this server gets the server\'s secrets, not those of the repository', async () => {
  const { disclose } = await prepared({ pipeline: 'job:nightly' })
  expect(await disclose(['SERVER', 'OWN'])).toMatchObject({ env: { SERVER: 'not-real-server' }, withheld: [expect.stringMatching(/no secret of that name/)] })
})
