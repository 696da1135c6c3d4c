import { expect, test } from 'vitest'
import { deliver, payload, receiver, secret } from '../helpers/receiver.ts'

const event = 'pull_request'

test.each(['opened', 'reopened', 'synchronize', 'synchronized'])("a fork's pull request that was %s is queued as untrusted, cloned from the base", async (action) => {
  const { hook, queued } = await receiver()
  const answer = await deliver(hook, fromFork({ action }), { event })
  expect(answer).toMatchObject({ status: 202, body: { result: 'queued', reason: 'pull_request of Codertocat/Hello-World refs/pull/2/head' } })
  expect(queued).toEqual([
    expect.objectContaining({
      ref: 'refs/pull/2/head',
      commit_id: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821',
      full_name: 'Codertocat/Hello-World',
      clone_url: 'https://github.com/Codertocat/Hello-World.git',
      committer_name: '',
      committer_email: '',
      trusted: false,
      source: 'github',
      pull_request: {
        number: 2,
        base_ref: 'refs/heads/master',
        base_commit: 'f95f852bd8fca8fcc58a9a2d6c842781e32a215e',
        url: 'https://github.com/Codertocat/Hello-World/pull/2',
      },
    }),
  ])
})

test('the head that a pull request had before a push is kept, where the forge says it', async () => {
  const { hook, queued } = await receiver()
  for (const before of ['f95f852bd8fca8fcc58a9a2d6c842781e32a215e', undefined]) await deliver(hook, fromFork({ action: 'synchronize', before }), { event })
  expect(queued.map(({ pull_request: pull }) => pull?.before)).toEqual(['f95f852bd8fca8fcc58a9a2d6c842781e32a215e', undefined])
})

test('a pull request whose fork is gone is untrusted', async () => {
  const { hook, queued } = await receiver()
  expect(await deliver(hook, payload('pull-request-opened', (body) => (body.pull_request.head.repo = null)), { event })).toMatchObject({ status: 202 })
  expect(queued[0]).toMatchObject({ trusted: false })
})

test('two repositories that are both missing are not the same one', async () => {
  const { hook, queued } = await receiver()
  await deliver(hook, payload('pull-request-opened', (body) => (body.pull_request.head.repo = body.pull_request.base.repo = null)), { event })
  expect(queued).toMatchObject([{ trusted: false }])
})

test('a pull request from the same repository is ignored, since its branch is built by the push', async () => {
  const { hook, queued, decisions } = await receiver()
  expect(await deliver(hook, payload('pull-request-synchronize'), { event })).toMatchObject({ status: 200, body: { result: 'ignored', reason: 'built by push' } })
  expect(queued).toEqual([])
  expect(decisions).toMatchObject([{ decision: 'ignored', reason: 'built by push', ref: 'refs/pull/2/head' }])
})

test('a pull request from the same repository is built where pushes of its branch are not wanted', async () => {
  const { url, queued } = await receiver({ hooks: [{ id: 'main-only', secret, refs: ['master'] }] })
  expect(await deliver(`${url}/webhook/main-only`, payload('pull-request-synchronize'), { event })).toMatchObject({ status: 202 })
  expect(queued).toMatchObject([{ ref: 'refs/pull/2/head', trusted: true }])
})

test.each([undefined, ['master']])('a pull request that somebody without write access pushed to refs/for/ of Gitea is untrusted, where the hook accepts the refs %j', async (refs) => {
  const { url, queued } = await receiver({ hooks: [{ id: 'gitea', secret, refs }] })
  const body = payload('pull-request-synchronize', (changed) => Object.assign(changed.pull_request.head, { label: '', ref: 'refs/pull/2/head' }))
  expect(await deliver(`${url}/webhook/gitea`, body, { event, headers: { 'x-gitea-event': event } })).toMatchObject({ status: 202 })
  expect(queued).toMatchObject([{ ref: 'refs/pull/2/head', trusted: false, source: 'gitea' }])
})

test.each(['closed', 'labeled', 'edited'])('a pull request that was %s is ignored', async (action) => {
  const { hook, queued } = await receiver()
  expect(await deliver(hook, fromFork({ action }), { event })).toMatchObject({ status: 200, body: { result: 'ignored' } })
  expect(queued).toEqual([])
})

test.each([
  ['a number that is text', { number: '2; rm -rf /' }],
  ['no number', { number: undefined }],
  ['number zero', { number: 0 }],
])('a pull request with %s is malformed', async (_, change) => {
  const { hook, queued } = await receiver()
  expect(await deliver(hook, fromFork(change), { event })).toMatchObject({ status: 400, body: { result: 'refused' } })
  expect(queued).toEqual([])
})

test('a base branch that git would refuse is malformed', async () => {
  const { hook } = await receiver()
  const body = payload('pull-request-opened', (changed) => {
    changed.pull_request.head.repo.id = 1
    changed.pull_request.base.ref = 'main\n--upload-pack=x'
  })
  expect(await deliver(hook, body, { event })).toMatchObject({ status: 400 })
})

function fromFork(change: object): unknown {
  return payload('pull-request-opened', (body) => {
    body.pull_request.head.repo.id = 1
    Object.assign(body, change)
  })
}
