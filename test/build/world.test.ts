import { expect, test } from 'vitest'
import { worldOf } from '../../src/build/world.ts'

test('a job gets the fixed names and those that BUILD_ENV names, nothing else', () => {
  const world = worldOf({ SECRET: 'not-a-real-secret', SMTP_URL: 'smtp://user:not-real@localhost', CCACHE_DIR: '/var/ccache' }, ['CCACHE_DIR', 'UNSET'])
  expect(Object.keys(world).toSorted()).toEqual(['CCACHE_DIR', 'HOME', 'LANG', 'LOGNAME', 'PATH', 'USER'])
  expect(world['CCACHE_DIR']).toBe('/var/ccache')
})
