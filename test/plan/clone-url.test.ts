import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configSchema } from '../../src/commands/open-config.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { parseRequest } from '../../src/model/request.ts'
import * as v from 'valibot'
import { patchworkSchema } from '../../src/patchwork/settings.ts'
import { cloneEnvironment, cloneUrlOf, type CloneSettings } from '../../src/plan/clone-url.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const request = (cloneUrl?: string) =>
  parseRequest({ repository: 'mill', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: '', committer_email: '', clone_url: cloneUrl })

function isRequest(cloneUrl: string): boolean {
  try {
    return request(cloneUrl) !== undefined
  } catch (error) {
    expect((error as Error).message).toContain('give it as CLONE_TOKEN')
    return false
  }
}

const none: CloneSettings = { CLONE_BASE: '', CLONE_WITH: '' }

test('an entry without clone_url is cloned from CLONE_BASE', () => {
  expect(cloneUrlOf(request(), { ...none, CLONE_BASE: 'https://example.org/mills/' })).toBe('https://example.org/mills/mill.git')
  expect(cloneUrlOf(request('https://example.org/a/b'), { ...none, CLONE_BASE: 'https://example.org/mills/' })).toBe('https://example.org/a/b')
})

test('without either, the missing setting is named', () => expect(() => cloneUrlOf(request(), none)).toThrow(/CLONE_BASE is not set; set CLONE_BASE in environment\.sh/))

test.each([
  ['https://example.org/owner/name.git', 'git@example.org:owner/name.git'],
  ['https://example.org/owner/name', 'git@example.org:owner/name.git'],
  ['https://user@example.org:8443/group/sub/name.git', 'git@example.org:group/sub/name.git'],
  ['git@example.org:owner/name.git', 'git@example.org:owner/name.git'],
  ['/srv/git/name.git', '/srv/git/name.git'],
])('CLONE_WITH=ssh clones %s from %s', (from, to) => expect(cloneUrlOf(request(from), { ...none, CLONE_WITH: 'ssh' })).toBe(to))

test.each([
  ['git@example.org:owner/name.git', 'https://example.org/owner/name.git'],
  ['ssh://git@example.org:2222/owner/name', 'https://example.org/owner/name.git'],
  ['https://example.org/owner/name', 'https://example.org/owner/name'],
  ['file:///srv/git/name.git', 'file:///srv/git/name.git'],
])('CLONE_WITH=https clones %s from %s', (from, to) => expect(cloneUrlOf(request(from), { ...none, CLONE_WITH: 'https' })).toBe(to))

test('a password that is refused is not shown', async () => {
  const home = tempDir()
  const tree = 'https://user:not-a-real-token@example.org/a'
  writeFileSync(join(home, 'environment.sh'), `export CLONE_BASE="${tree}"\n`)
  await expect(loadConfig(home, configSchema)).rejects.toThrow(/CLONE_BASE: expected no password in it(?!.*not-a-real-token)/)
  writeFileSync(join(home, 'environment.sh'), '')
  writeFileSync(join(home, 'quern.yaml'), `patchwork: [{url: "https://patchwork.example.org", project: mill, tree: "${tree}", pipelines: [chunks]}]\n`)
  await expect(loadConfig(home, configSchema)).rejects.toThrow(/tree: expected no password in it(?!.*not-a-real-token)/)
})

test.each([
  ['CLONE_BASE', (url: string) => v.is(cloneEnvironment.CLONE_BASE, url)],
  ['the clone_url of an entry', (url: string) => isRequest(url)],
  ['the tree of a Patchwork project', (url: string) => v.is(patchworkSchema, [{ url: 'https://patchwork.example.org', project: 'mill', tree: url, pipelines: ['chunks'] }])],
])('a password in %s is refused: it would stand in every plan', (_, accepted) => {
  expect(['https://user:not-a-real-token@example.org', 'http://:x@example.org/a'].filter(accepted)).toEqual([])
  expect(['https://user@example.org/mills', 'https://example.org:8443/a', 'ssh://git@example.org:2222/a', 'git@example.org:mills'].filter((url) => !accepted(url))).toEqual([])
})
