import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { parseRequest } from '../../src/model/request.ts'
import { grantedSecrets, grantsSchema } from '../../src/secrets/granted-secrets.ts'

const push = { repository: 'app', full_name: 'acme/app', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: 'x', committer_email: 'x@example.org' }
const secrets = new Map([['TOKEN', 'not-real-1'], ['KEY', 'not-real-2'], ['PIN', '1'], ['EMPTY', '']])

async function granted(grants: unknown, { request = {}, pipeline = 'chunks', names = ['TOKEN'] }: { request?: object; pipeline?: string; names?: string[] } = {}) {
  return grantedSecrets({ request: parseRequest({ ...push, ...request }), pipeline, names, secrets, grants: v.parse(grantsSchema, grants) })
}

describe('a secret is given to', () => {
  test.each([
    ['the repository by name', ['acme/app'], {}],
    ['a glob of repositories', ['acme/*'], {}],
    ['one of a list', [{ repositories: ['acme/lib', 'acme/app'] }], {}],
    ['the branch by name', [{ repositories: 'acme/app', refs: 'main' }], {}],
    ['the full ref', [{ repositories: 'acme/app', refs: ['refs/heads/main'] }], {}],
    ['a glob of branches', [{ repositories: '**', refs: ['release/*', 'ma*'] }], {}],
    ['a glob of tags', [{ repositories: 'acme/app', refs: 'refs/tags/v*' }], { ref: 'refs/tags/v1.0' }],
    ['a repository without a known owner', ['app'], { full_name: undefined }],
  ])('%s', async (_, grants, request) => {
    expect(await granted({ TOKEN: grants }, { request })).toEqual({ values: { TOKEN: 'not-real-1' }, withheld: [] })
  })
})

describe('a secret is withheld from', () => {
  test.each([
    ['another owner\'s repository of that name', ['acme/app'], { full_name: 'evil/app' }],
    ['a repository that has an owner, by the short name', ['app'], {}],
    ['a deeper path than the glob', ['acme/*'], { full_name: 'acme/sub/app' }],
    ['another branch', [{ repositories: 'acme/app', refs: 'main' }], { ref: 'refs/heads/feature/main' }],
    ['a tag with the branch\'s name', [{ repositories: 'acme/app', refs: 'main' }], { ref: 'refs/tags/main' }],
    ['a repository of which only the beginning fits', ['acme/ap'], {}],
    ['everybody, without a grant', [], {}],
  ])('%s', async (_, grants, request) => {
    const { values, withheld } = await granted({ TOKEN: grants }, { request })
    expect(values).toEqual({})
    expect(withheld).toEqual([expect.stringMatching(/^The secret TOKEN is withheld: quern.yaml does not grant it to .*\.$/)])
  })

  test('an untrusted request, whatever the grants and the pipeline', async () => {
    for (const pipeline of ['chunks', 'job:deploy', 'file:.quern/pipeline.ts']) {
      const { values, withheld } = await granted({ TOKEN: ['**'] }, { request: { source: 'github', trusted: false }, pipeline })
      expect(values).toEqual({})
      expect(withheld).toEqual(['The secret TOKEN is withheld: untrusted requests get none.'])
    }
  })

  test('a run that does not name it', async () => {
    expect(await granted({ TOKEN: ['**'], KEY: ['**'] }, { names: ['KEY'] })).toMatchObject({ values: { KEY: 'not-real-2' } })
  })
})

test('this server\'s own job definitions get what they name without a grant, a repository\'s pipeline does not', async () => {
  expect((await granted({}, { pipeline: 'job:nightly' })).values).toEqual({ TOKEN: 'not-real-1' })
  expect((await granted({}, { pipeline: 'file:job:nightly' })).values).toEqual({})
})

test('what a repository brings along serves its own pipelines without a grant, trusted requests only', async () => {
  const own = new Map([['MINE', 'not-real-own'], ['TOKEN', 'not-real-over']])
  const question = { names: ['MINE', 'TOKEN'], secrets, grants: {}, own, pipeline: 'file:.quern/pipeline.ts' }
  expect((await grantedSecrets({ ...question, request: parseRequest(push) })).values).toEqual({ MINE: 'not-real-own', TOKEN: 'not-real-over' })
  expect((await grantedSecrets({ ...question, request: parseRequest({ ...push, source: 'github', trusted: false }) })).values).toEqual({})
  expect((await grantedSecrets({ ...question, pipeline: 'job:nightly', request: parseRequest(push) })).values).toEqual({ TOKEN: 'not-real-1' })
})

test('a name that is no secret here is told', async () => {
  expect((await granted({ ABSENT: ['**'] }, { names: ['ABSENT', 'ABSENT'] })).withheld).toEqual(['The secret ABSENT is withheld: this server has no secret of that name.'])
})

test('a secret of one character is refused, since no mask can hide it', async () => {
  await expect(granted({ PIN: ['**'] }, { names: ['PIN'] })).rejects.toThrow(/the secret PIN has 1 character: one shorter than 4 cannot be masked/)
  await expect(granted({ EMPTY: ['**'] }, { names: ['EMPTY'] })).rejects.toThrow(/the secret EMPTY has 0 characters/)
})

test.each([[{ TOKEN: 'acme/app' }], [{ TOKEN: [{ repository: 'x' }] }], [{ TOKEN: [{ repositories: [] }] }], [{ TOKEN: [3] }]])('the grants %j are refused', (grants) => {
  expect(v.safeParse(grantsSchema, grants).success).toBe(false)
})
