import * as v from 'valibot'
import { expect, test } from 'vitest'
import { hooksSchema, settleHooks, webhookEnvironment } from '../../src/webhook/settings.ts'

const environment = v.object(webhookEnvironment)

test('with nothing set the receiver listens on all interfaces, port 8196, under /webhook, and starts the builder', () => {
  expect(v.parse(environment, {})).toEqual({ HOST: '0.0.0.0', PORT: 8196, URL_PREFIX: '/webhook', BUILD_ON_PUSH: true })
})

test.each([
  ['hooks/ci/', '/hooks/ci'],
  ['/', ''],
  ['//a//b', '/a/b'],
  ['/.ci/..x/~me', '/.ci/..x/~me'],
])('the URL prefix %j is read as %j', (written, read) => {
  expect(v.parse(environment, { URL_PREFIX: written }).URL_PREFIX).toBe(read)
})

test.each([
  ['PORT', '80.5'],
  ['PORT', '65536'],
  ['PORT', 'http'],
  ['BUILD_ON_PUSH', 'yes'],
  ['URL_PREFIX', '/a:b*'],
  ['URL_PREFIX', '../x'],
  ['URL_PREFIX', '/ci/./x'],
  ['URL_PREFIX', '/ci/..'],
  ['SECRET', ''],
])('%s=%j is refused', (name, value) => {
  expect(v.safeParse(environment, { [name]: value }).success).toBe(false)
})

test('SECRET makes the hook amp_main, beside those of quern.yaml', () => {
  const hooks = v.parse(hooksSchema, [{ id: 'team', secret_env: 'TEAM_SECRET', repositories: ['team/*'], refs: ['main'], pipeline: 'job:x' }])
  expect(settleHooks(hooks, { SECRET: 'one', TEAM_SECRET: 'two' })).toEqual([
    { id: 'team', secret: 'two', repositories: ['team/*'], refs: ['main'], pipeline: 'job:x' },
    { id: 'amp_main', secret: 'one' },
  ])
})

test('quern.yaml may define amp_main itself; without SECRET there is none', () => {
  const own = v.parse(hooksSchema, [{ id: 'amp_main', secret: 'own' }])
  expect(settleHooks(own, { SECRET: 'one' })).toEqual([{ id: 'amp_main', secret: 'own' }])
  expect(settleHooks(v.parse(hooksSchema, undefined), {})).toEqual([])
})

test('a secret_env that is not set is named, with the line to add', () => {
  const hooks = v.parse(hooksSchema, [{ id: 'team', secret_env: 'TEAM_SECRET' }])
  expect(() => settleHooks(hooks, {})).toThrow('hook team takes its secret from TEAM_SECRET, which is not set; add to environment.sh: export TEAM_SECRET="..."')
})

test.each([
  ['no secret', [{ id: 'a' }]],
  ['two secrets', [{ id: 'a', secret: 'x', secret_env: 'Y' }]],
  ['an id that is no part of a URL', [{ id: 'a/b', secret: 'x' }]],
  ['an id twice', [{ id: 'a', secret: 'x' }, { id: 'a', secret: 'y' }]],
  ['a key that is not known', [{ id: 'a', secret: 'x', branches: ['main'] }]],
  ['a pipeline that is none', [{ id: 'a', secret: 'x', pipeline: 'make' }]],
])('a hook with %s is refused', (_, hooks) => {
  expect(v.safeParse(hooksSchema, hooks).success).toBe(false)
})
