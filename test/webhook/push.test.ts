import { expect, test } from 'vitest'
import { deliver, payload, receiver } from '../helpers/receiver.ts'

test('a push is queued with its commit, people, clone URL and delivery, and answered 202 with the entry', async () => {
  const { hook, queued, decisions } = await receiver()
  const answer = await deliver(hook, payload('push', (push) => Object.assign(push, { before: 'a'.repeat(40), forced: true })), { id: 'delivery-1' })
  expect(answer.status).toBe(202)
  expect(answer.body).toEqual({ result: 'queued', reason: 'push of Codertocat/Hello-World refs/heads/master', entry: '1.000001-delivery-1.json' })
  expect(queued).toEqual([
    expect.objectContaining({
      repository: 'Hello-World',
      full_name: 'Codertocat/Hello-World',
      ref: 'refs/heads/master',
      commit_id: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
      clone_url: 'https://github.com/Codertocat/Hello-World.git',
      before: 'a'.repeat(40),
      message: 'Initial commit',
      source: 'github',
      trusted: true,
      hook: 'amp_main',
      delivery: 'delivery-1',
    }),
  ])
  expect(decisions).toEqual([
    {
      decision: 'queued',
      reason: 'push of Codertocat/Hello-World refs/heads/master',
      hook: 'amp_main',
      delivery: 'delivery-1',
      event: 'push',
      entry: '1.000001-delivery-1.json',
      repository: 'Codertocat/Hello-World',
      ref: 'refs/heads/master',
      commit_id: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
    },
  ])
})

test('a new branch has no commit before', async () => {
  const { hook, queued } = await receiver()
  await deliver(hook, payload('push'))
  expect(queued[0]!.before).toBeUndefined()
})

test('a tag is built at the commit, not at the tag object', async () => {
  const { hook, queued } = await receiver()
  await deliver(hook, payload('push-tag', (push) => Object.assign(push, { after: 'b'.repeat(40) })))
  expect(queued[0]).toMatchObject({ ref: 'refs/tags/simple-tag', commit_id: '6113728f27ae82c7b1a177c8d03f9e96e0adf246' })
})

test('a form-encoded delivery is the same as a JSON one', async () => {
  const { hook, queued } = await receiver()
  const body = new URLSearchParams({ payload: JSON.stringify(payload('push')) }).toString()
  const answer = await deliver(hook, body, { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } })
  expect(answer.status).toBe(202)
  expect(queued[0]).toMatchObject({ repository: 'Hello-World' })
})

test('bytes are verified as they came, with an author outside of ASCII', async () => {
  const { hook, queued } = await receiver()
  const author = { name: 'Čeněk ☕ Łukasiewicz', email: 'cenek@example.org' }
  await deliver(hook, payload('push', (push) => Object.assign(push.head_commit, { committer: author })))
  expect(queued[0]).toMatchObject({ committer_name: author.name, committer_email: author.email })
})

const web = { name: 'GitHub', email: 'noreply@github.com' }
const hidden = { name: 'Ada', email: '1+ada@users.noreply.github.com' }
const giteaHidden = { name: 'Ada', email: 'ada@noreply.codeberg.org' }
const ada = { name: 'Ada', email: 'ada@example.org' }
const bob = { name: 'Bob', email: 'bob@example.org' }

test.each([
  ['the committer', { committer: ada, author: bob, pusher: bob }, ada],
  ['the author where the web committed', { committer: web, author: ada, pusher: bob }, ada],
  ['the author where what committed takes no mail', { committer: { name: 'Robot', email: 'do-not-reply@example.org' }, author: ada, pusher: bob }, ada],
  ['the pusher where the author hides the address', { committer: web, author: hidden, pusher: bob }, bob],
  ['the pusher where Gitea hides the address', { committer: giteaHidden, author: giteaHidden, pusher: bob }, bob],
  ['a name without an address where nobody can be reached', { committer: web, author: hidden, pusher: hidden }, { name: 'Ada', email: '' }],
  ['nobody where nobody is named', { committer: null, author: undefined, pusher: null }, { name: '', email: '' }],
])('mail goes to %s', async (_, { committer, author, pusher }, expected) => {
  const { hook, queued } = await receiver()
  await deliver(hook, payload('push', (push) => {
    Object.assign(push.head_commit, { committer, author })
    push.pusher = pusher
  }))
  expect(queued[0]).toMatchObject({ committer_name: expected.name, committer_email: expected.email })
})

test('an address that only looks like noreply is mailed', async () => {
  const { hook, queued } = await receiver()
  await deliver(hook, payload('push', (push) => Object.assign(push.head_commit, { committer: { name: 'N', email: 'nora.noreply@example.org' } })))
  expect(queued[0]).toMatchObject({ committer_email: 'nora.noreply@example.org' })
})

test.each(['[skip ci] tidy', 'Tidy\n\n[ci skip]', '[SKIP CI]'])('a head commit that says %j is ignored', async (message) => {
  const { hook, queued, decisions } = await receiver()
  const answer = await deliver(hook, payload('push', (push) => Object.assign(push.head_commit, { message })))
  expect(answer).toMatchObject({ status: 200, body: { result: 'ignored', reason: 'the head commit says [skip ci]' } })
  expect(queued).toEqual([])
  expect(decisions).toMatchObject([{ decision: 'ignored', commit_id: '6113728f27ae82c7b1a177c8d03f9e96e0adf246' }])
})

test('a deleted ref is ignored, whether its flag or the zeros say so', async () => {
  const { hook, queued } = await receiver()
  expect(await deliver(hook, payload('push-deleted'))).toMatchObject({ status: 200, body: { result: 'ignored', reason: 'the ref was deleted' } })
  expect(await deliver(hook, payload('push-deleted', (push) => delete push.deleted))).toMatchObject({ status: 200, body: { result: 'ignored' } })
  expect(await deliver(hook, payload('push', (push) => (push.deleted = true)))).toMatchObject({ status: 200, body: { result: 'ignored' } })
  expect(queued).toEqual([])
})

test('a ping is answered 200, and has its decision', async () => {
  const { hook, decisions } = await receiver()
  expect(await deliver(hook, payload('ping'), { event: 'ping', id: 'p' })).toMatchObject({ status: 200, body: { result: 'pong' } })
  expect(decisions).toMatchObject([{ decision: 'pong', delivery: 'p', event: 'ping' }])
})

test('other events are ignored, whatever their body', async () => {
  const { hook, decisions } = await receiver()
  expect(await deliver(hook, '[]', { event: 'issues' })).toMatchObject({ status: 200, body: { result: 'ignored', reason: 'the event issues builds nothing' } })
  expect(decisions).toMatchObject([{ decision: 'ignored', event: 'issues' }])
})

test('the receiver says when an entry is new, and only then', async () => {
  let calls = 0
  const { hook } = await receiver({ afterQueued: () => void calls++ })
  await deliver(hook, payload('push'), { id: 'once' })
  expect(await deliver(hook, payload('push'), { id: 'once' })).toMatchObject({ status: 200, body: { result: 'duplicate', entry: '1.000001-once.json' } })
  await deliver(hook, payload('ping'), { event: 'ping' })
  expect(calls).toBe(1)
})

test('Gitea is told by its header; its pusher is a user, and old ones have no head_commit', async () => {
  const { hook, queued } = await receiver()
  const body = {
    ref: 'refs/heads/develop',
    before: '28e1879d029cb852e4844d9c718537df08844e03',
    after: 'bffeb74224043ba2feb48d137756c8a9331c449a',
    compare_url: 'http://git.example.org/gitea/webhooks/compare/28e1879d029cb852e4844d9c718537df08844e03...bffeb74224043ba2feb48d137756c8a9331c449a',
    commits: [
      {
        id: 'bffeb74224043ba2feb48d137756c8a9331c449a',
        message: 'Webhooks Yay!',
        author: { name: 'Gitea', email: 'gitea@noreply.git.example.org', username: 'gitea' },
        committer: { name: 'Gitea', email: 'gitea@noreply.git.example.org', username: 'gitea' },
        timestamp: '2017-03-13T13:52:11-04:00',
      },
    ],
    repository: { id: 140, name: 'webhooks', full_name: 'gitea/webhooks', clone_url: 'http://git.example.org/gitea/webhooks.git', default_branch: 'master' },
    pusher: { id: 1, login: 'gitea', full_name: 'Gitea Pusher', email: 'pusher@example.org', username: 'gitea' },
  }
  const headers = { 'x-gitea-event': 'push', 'x-gitea-delivery': 'g1' }
  expect(await deliver(hook, body, { id: 'g1', headers })).toMatchObject({ status: 202 })
  expect(queued[0]).toMatchObject({
    source: 'gitea',
    full_name: 'gitea/webhooks',
    commit_id: 'bffeb74224043ba2feb48d137756c8a9331c449a',
    before: '28e1879d029cb852e4844d9c718537df08844e03',
    committer_name: 'Gitea Pusher',
    committer_email: 'pusher@example.org',
    message: 'Webhooks Yay!',
  })
})

test('a push of many commits, which comes in many pieces, is read whole', async () => {
  const { hook, queued } = await receiver()
  const many = payload('push', (push) => (push.commits = Array.from({ length: 5000 }, () => push.head_commit)))
  expect(await deliver(hook, many)).toMatchObject({ status: 202 })
  expect(queued).toMatchObject([{ repository: 'Hello-World' }])
})

test('only what is needed has to be there', async () => {
  const { hook, queued } = await receiver()
  const body = { ref: 'refs/heads/main', repository: { name: 'app' }, head_commit: { id: 'a'.repeat(40) } }
  expect(await deliver(hook, body)).toMatchObject({ status: 202 })
  expect(queued).toMatchObject([{ repository: 'app', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: '' }])
})
