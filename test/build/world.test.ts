import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { expect, test } from 'vitest'
import { homeId, worldOf } from '../../src/build/world.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a job gets the fixed names and those that BUILD_ENV names, nothing else', () => {
  const world = worldOf({ SECRET: 'not-a-real-secret', SMTP_URL: 'smtp://user:not-real@localhost', CCACHE_DIR: '/var/ccache' }, ['CCACHE_DIR', 'UNSET'])
  expect(Object.keys(world).toSorted()).toEqual(['CCACHE_DIR', 'HOME', 'LANG', 'LOGNAME', 'PATH', 'USER'])
  expect(world['CCACHE_DIR']).toBe('/var/ccache')
})

test('a user that passwd does not know has a name and a home all the same', () => {
  const program = "import { worldOf } from './src/build/world.ts'; console.log(JSON.stringify(worldOf({}, [])))"
  const { outputFiles } = buildSync({ stdin: { contents: program, resolveDir: process.cwd(), loader: 'ts' }, bundle: true, platform: 'node', format: 'esm', write: false })
  const stranger = process.getuid?.() === 0 ? ['setpriv', '--reuid', '1999999999', '--clear-groups'] : ['env']
  const world = JSON.parse(execFileSync(stranger[0]!, [...stranger.slice(1), process.execPath, '--input-type=module'], { input: outputFiles[0]!.text, encoding: 'utf8', cwd: '/' })) as Record<string, string>
  expect(world['USER']).toMatch(process.getuid?.() === 0 ? /^1999999999$/ : /./)
  expect(world['HOME']).toMatch(/^\//)
})

test('two machines whose homes lie at one path take nothing of each other for their own with an engine that both drive', () => {
  const home = tempDir()
  const [one, again] = [homeId(home), homeId(home)]
  expect(again).toBe(one)
  // What another machine has at that path.
  rmSync(join(home, 'cache'), { recursive: true })
  expect(homeId(home)).not.toBe(one)
})
