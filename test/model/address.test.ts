import { expect, test } from 'vitest'
import { pageAddress } from '../../src/model/address.ts'
import { directoryName } from '../../src/model/names.ts'

const build = { pipeline: 'acme~app', number: 7 }

test('a page has the address of its record below the public one', () => {
  expect(pageAddress('https://example.org/ci', build)).toBe('https://example.org/ci/builds/acme~app/7')
  expect(pageAddress('https://example.org/ci', build, 'build')).toBe('https://example.org/ci/builds/acme~app/7/build')
  expect(pageAddress(undefined, build, 'build')).toBeUndefined()
})

test.each(['make [1/3]', '../../etc/passwd', 'a b', 'ü', '?#&%2f', '"><script>', 'test~2'])('the run %j has one last part, which names its directory', (run) => {
  const address = pageAddress('https://ci.example.org', build, run)!
  const parts = new URL(address).pathname.split('/')
  expect(parts).toHaveLength(5)
  expect(decodeURIComponent(parts[4]!)).toBe(directoryName(run))
})
