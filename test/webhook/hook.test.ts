import { expect, test } from 'vitest'
import { deliver, payload, receiver, secret } from '../helpers/receiver.ts'

const unwantedRepository = { status: 200, body: { result: 'ignored', reason: 'repository Codertocat/Hello-World is not wanted by hook team' } }
const unwantedRef = { status: 200, body: { result: 'ignored', reason: expect.stringMatching(/^ref refs\/heads\/\S+ is not wanted by hook team$/) } }
const taken = { status: 202 }

test.each([
  [['Codertocat/Hello-World'], taken],
  [['codertocat/hello-world'], taken],
  [['Codertocat/*'], taken],
  [['other/*', '*/Hello-World'], taken],
  [['*/*'], taken],
  [['*'], unwantedRepository],
  [['Codertocat/Hello'], unwantedRepository],
  [['!other/*'], unwantedRepository],
  [[], unwantedRepository],
])('a hook for the repositories %j', async (repositories, expected) => {
  expect(await pushTo({ repositories })).toMatchObject(expected)
})

test('a repository whose name starts with a dot is matched like any other', async () => {
  expect(await pushTo({ repositories: ['Codertocat/*'] }, (push) => Object.assign(push.repository, { name: '.github', full_name: 'Codertocat/.github' }))).toMatchObject(taken)
})

test.each([
  [['master'], 'master', taken],
  [['refs/heads/master'], 'master', taken],
  [['release/*'], 'release/1', taken],
  [['release/*'], 'release/1/2', unwantedRef],
  [['release/**'], 'release/1/2', taken],
  [['refs/tags/*'], 'master', unwantedRef],
  [['main'], 'feature/main', unwantedRef],
  [['main', 'refs/heads/dev-*'], 'dev-1', taken],
  [['main'], 'Main', unwantedRef],
])('a hook for the refs %j, pushed %s', async (refs, branch, expected) => {
  expect(await pushTo({ refs }, (push) => (push.ref = `refs/heads/${branch}`))).toMatchObject(expected)
})

test('a pull request is wanted for the branch that it goes into', async () => {
  const { url } = await receiver({ hooks: [{ id: 'team', secret, refs: ['master'] }, { id: 'dev', secret, refs: ['dev'] }] })
  const body = payload('pull-request-opened', (changed) => (changed.pull_request.head.repo.id = 1))
  expect(await deliver(`${url}/webhook/team`, body, { event: 'pull_request' })).toMatchObject(taken)
  expect(await deliver(`${url}/webhook/dev`, body, { event: 'pull_request' })).toMatchObject({ status: 200, body: { reason: 'ref refs/heads/master is not wanted by hook dev' } })
})

test("each hook has its own secret, its requests take the hook's pipeline", async () => {
  const { url, queued } = await receiver({ hooks: [{ id: 'a', secret: 'other-fake-secret' }, { id: 'b', secret, pipeline: 'job:b' }] })
  expect(await deliver(`${url}/webhook/a`, payload('push'))).toMatchObject({ status: 401 })
  expect(await deliver(`${url}/webhook/b`, payload('push'))).toMatchObject(taken)
  expect(queued).toMatchObject([{ hook: 'b', pipeline: 'job:b' }])
})

test('the prefix may be empty', async () => {
  const { url } = await receiver({ prefix: '' })
  expect(await deliver(`${url}/amp_main`, payload('push'))).toMatchObject(taken)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

// oxlint-disable-next-line typescript/no-explicit-any -- payloads are changed in every place
async function pushTo(wishes: { repositories?: string[]; refs?: string[] }, change?: (push: any) => void) {
  const { url } = await receiver({ hooks: [{ id: 'team', secret, ...wishes }] })
  return deliver(`${url}/webhook/team`, payload('push', change))
}
