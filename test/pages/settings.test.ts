import * as v from 'valibot'
import { expect, test } from 'vitest'
import { pagesEnvironment } from '../../src/pages/settings.ts'

const environment = v.object(pagesEnvironment)

test.each([
  ['https://ci.example.org', 'https://ci.example.org'],
  ['https://CI.example.org/', 'https://ci.example.org'],
  ['http://ci:8196', 'http://ci:8196'],
  ['https://example.org/team~a/ci/', 'https://example.org/team~a/ci'],
  ['https://[::1]:8196/x/../ci', 'https://[::1]:8196/ci'],
])('the public address %s is read as %s', (written, read) => {
  expect(v.parse(environment, { PUBLIC_URL: written })).toEqual({ PUBLIC_URL: read })
})

test.each(['ci.example.org', '//ci.example.org', 'ftp://ci.example.org', 'https://', 'https:ci', 'https://ci.example.org?a=b', 'https://ci.example.org/#top', 'https://me:word@ci.example.org', 'https://ci.example.org/a b', 'https://ci.example.org/:x/*', 'https://ci.example.org:99999', 'https://ci.example.org/a%2fb', 'javascript://ci.example.org/%0aalert(1)'])('%j is no public address', (written) => {
  expect(v.safeParse(environment, { PUBLIC_URL: written }).success).toBe(false)
})
