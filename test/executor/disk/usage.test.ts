import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { diskUsage } from '../../../src/executor/disk/usage.ts'
import { findProgram } from '../../../src/executor/find-program.ts'
import { bundle } from '../../helpers/bundle.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const mebibyte = 1024 ** 2

function bash(directory: string, script: string): void {
  execFileSync('bash', ['-c', script], { cwd: directory })
}

test('what the disk holds is counted, by directory; what is gone is missing', async () => {
  const place = tempDir()
  bash(place, 'mkdir a b; fallocate -l 3M a/file; ln a/file a/name; ln -s /usr a/link; truncate -s 1G b/sparse; fallocate -l 1M b/file')
  const paths = ['a', 'gone', 'b'].map((name) => join(place, name))
  const sizes = await diskUsage(paths)
  expect([...sizes.keys()]).toEqual([paths[0], paths[2]])
  expect([...sizes.values()].map((size) => Math.floor(size / mebibyte))).toEqual([3, 1])
})

test('where all are gone there is nothing to count', async () => expect([...(await diskUsage([join(tempDir(), 'gone')]))]).toEqual([]))

test('where nothing is asked for, nothing is counted', async () => expect([...(await diskUsage([]))]).toEqual([]))

test.runIf(process.getuid?.() === 0)('an ordinary user counts what its own jobs hid in directories that it may not read', () => {
  const place = tempDir()
  const program = bundle('src/executor/disk/usage.ts', place)
  chmodSync(place, 0o777)
  mkdirSync(join(place, 'work'))
  chmodSync(join(place, 'work'), 0o777)
  const user = (command: string[]) => execFileSync(findProgram('setpriv')!, ['--reuid', '65534', '--regid', '65534', '--clear-groups', ...command], { cwd: join(place, 'work'), encoding: 'utf8' })
  user(['bash', '-c', 'mkdir -p open/closed; fallocate -l 2M open/closed/file; chmod 300 open/closed; chmod 000 open'])
  expect(statSync(join(place, 'work/open')).mode & 0o777).toBe(0)
  const told = user([process.execPath, '--input-type=module', '-e', `import { diskUsage } from ${JSON.stringify(program)}; console.log([...(await diskUsage([${JSON.stringify(join(place, 'work'))}])).values()][0])`])
  expect(Math.floor(Number(told) / mebibyte)).toBe(2)
})
