import { existsSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitOf, until } from '../helpers/a-home.ts'
import { aRequest } from '../helpers/a-request.ts'
import { aServer } from '../helpers/a-server.ts'
import { processesMarked } from '../helpers/processes-marked.ts'
import { payload } from '../helpers/receiver.ts'
import { canMount, smallDisk } from '../helpers/small-disk.ts'
import { smtpListener } from '../helpers/smtp.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const MiB = 1024 * 1024

test('chunks that are a directory, a dangling link or for other refs end with a reason, CRLF is read as meant, and the queue goes on', async () => {
  const server = await aServer({ chunks: { build_packages_crlf: 'if true\r\nthen\r\n  echo "meant"\r\nfi\r\n', build_packages: 'true\n' } })
  mkdirSync(join(server.home, 'scripts/build_packages_directory'))
  symlinkSync('/nowhere', join(server.home, 'scripts/build_packages_link'))
  for (const section of ['directory', 'link', 'crlf']) server.drop({ ref: `refs/heads/${section}` })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('app/1')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('build_packages_directory: expected a file of bash text, it is a directory') })
  expect(server.result('app/2')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('build_packages_link') })
  expect(server.console('app/3')).toMatch(/\nmeant\n/)
  rmSync(join(server.home, 'scripts/build_packages'))
  rmSync(join(server.home, 'scripts/checkout_repos'))
  server.drop({ ref: 'refs/heads/none' })
  await server.build()
  expect(server.result('app/4')).toMatchObject({ verdict: 'skipped', reason: expect.stringMatching(/^ignored: no chunk/) })
})

test('a build that prints binary and 200 MB, and writes to /dev/stderr by name, is kept within LOG_LIMIT and mailed as text', async () => {
  const smtp = await smtpListener()
  const server = await aServer({ chunks: { build_packages: 'head -c 300000 /dev/urandom\necho\necho by name > /dev/stderr\n{ yes | head -c 200000000; } 2>/dev/null\necho error: the end > /dev/stderr\nexit 3\n' }, settings: { SMTP_URL: smtp.url, LOG_LIMIT: '2' } })
  server.drop()
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('app/1')).toMatchObject({ verdict: 'failed', runs: [{ code: 3 }] })
  expect(statSync(join(server.home, 'builds/app/1/runs/build/console.log')).size).toBeLessThan(2.1 * MiB)
  expect(server.console('app/1')).toMatch(/\nby name\n[^]*bytes left out here: the log is limited[^]*\nerror: the end\n/)
  expect(smtp.taken).toHaveLength(1)
  // eslint-disable-next-line no-control-regex
  expect(smtp.taken[0]!.text).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/)
  expect(smtp.taken[0]!.text).toContain('\nerror: the end\n')
  expect(smtp.taken[0]!.text.length).toBeLessThan(200_000)
  const { code, stdout } = await server.quern('show', 'app/1')
  expect(code).toBe(0)
  // eslint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/)
})

test.skipIf(!canMount)('on a full disk the receiver answers 503 and the builder says so; nothing is lost, and all goes on when there is room', async () => {
  const server = await aServer({ at: smallDisk(4 * MiB).path, settings: { BUILD_ON_PUSH: '0' } })
  const receiver = await server.serve()
  expect(await receiver.deliver(payload('push'), { id: 'before' })).toMatchObject({ status: 202 })
  fill(server.home)
  const refused = await receiver.deliver(payload('push'), { id: 'meanwhile' })
  expect(refused).toMatchObject({ status: 503, body: { result: 'unavailable', reason: expect.stringContaining('could not be made durable') } })
  expect(refused.headers.get('retry-after')).toBe('60')
  expect(await server.build()).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOSPC') })
  expect(entries(server.list('queue'))).toHaveLength(1)
  expect(entries(server.list('queue/claimed'))).toEqual([])

  rmSync(join(server.home, 'big'))
  expect(await receiver.deliver(payload('push'), { id: 'meanwhile' })).toMatchObject({ status: 202 })
  expect(await receiver.deliver(payload('push'), { id: 'before' })).toMatchObject({ status: 200, body: { result: 'duplicate' } })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(entries(server.list('queue'))).toEqual([])
  expect(server.list('ledger/done').filter((name) => !name.endsWith('.build'))).toHaveLength(2)
  const { stdout } = await server.quern('builds', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ running: [], finished: [{ verdict: 'passed' }, { verdict: 'passed' }] })
})

test.skipIf(!canMount)('a builder that cannot claim on a full disk keeps its lock until its other builds have ended', async () => {
  const disk = smallDisk(4 * MiB)
  const gate = join(tempDir(), 'gate')
  const server = await aServer({ at: disk.path, chunks: { build_packages: 'touch "$QUERN_TEST_GATE.reached"; while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
  writeFileSync(join(server.home, 'prepared'), JSON.stringify(aRequest({ commit_id: '2'.repeat(40) })))
  server.drop({ commit_id: '1'.repeat(40) })
  const builder = server.startBuilder(['--threads', '2'], { QUERN_TEST_GATE: gate })
  await until('the first build runs', () => existsSync(`${gate}.reached`))
  fill(server.home)
  renameSync(join(server.home, 'prepared'), join(server.home, 'queue/1700000000.000002-test.json'))
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(await server.build([], { QUERN_TEST_GATE: gate })).toMatchObject({ code: 0 })
  expect(processesMarked(server.home).length).toBeGreaterThan(0)
  expect(builder.exitCode).toBe(null)
  rmSync(join(server.home, 'big'))
  writeFileSync(gate, '')
  await exitOf(builder)
  await server.build([], { QUERN_TEST_GATE: gate })
  expect(server.result('app/1')).toMatchObject({ verdict: 'passed', attempt: 1 })
  expect(server.list('ledger/done').filter((name) => !name.endsWith('.build'))).toHaveLength(2)
})

test.skipIf(!canMount)('a builder whose home is read-only says so, and builds when it is not any more', async () => {
  const disk = smallDisk(4 * MiB)
  const server = await aServer({ at: disk.path })
  server.drop()
  disk.remount('ro')
  expect(await server.build()).toMatchObject({ code: 1, stderr: expect.stringMatching(/^quern: .*EROFS: read-only file system.*\n/) })
  disk.remount('rw')
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.status('app/1')).toBe('PASSED')
})

function entries(names: string[]): string[] {
  return names.filter((name) => name.endsWith('.json'))
}

/** Takes what room there is. */
function fill(directory: string): void {
  try {
    writeFileSync(join(directory, 'big'), Buffer.alloc(8 * MiB))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  }
}
