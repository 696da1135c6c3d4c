import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../helpers/a-home.ts'
import { aServer } from '../helpers/a-server.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { runQuern } from '../helpers/run-quern.ts'

test('quern plan shows what then is built, of script chunks and of a job', async () => {
  const server = await aServer({ shipped: true, chunks: { distribute_main: 'echo "distributing {commit_id}"\n' }, settings: { BUILD_ON_PUSH: '0' } })
  server.write({ 'job-defs/check.yml': 'executor: shell\nneeds: [prepare]\nparams: [{name: who, choices: [world, mill]}]\nscript: echo "hello $who"\n', 'job-defs/prepare.yml': 'executor: shell\nscript: "true"\n' })
  const repo = gitRepo()
  repo.commit({ Makefile: 'all:\n\t@echo ground\n' })
  await server.serve()
  expect(await runQuern(server.home, ['push', repo.path])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^queued \(202\)/) })
  expect(await server.quern('start', 'check', '--run', 'name=both,params.who=mill')).toMatchObject({ code: 0 })
  const planned = []
  for (const entry of server.list('queue').filter((name) => name.endsWith('.json'))) planned.push(JSON.parse((await server.quern('plan', '--request', join(server.home, 'queue', entry), '--json')).stdout))
  const repository = JSON.parse((await server.quern('plan', repo.path, '--json')).stdout)
  await server.build()
  const [pushed] = server.list('builds').filter((name) => name.startsWith('quern-test'))
  const built = [`${pushed}/1`, 'check/1'].map((build) => JSON.parse(server.read(`builds/${build}/plan.json`)))
  expect(planned).toEqual(built)
  expect(repository).toEqual(built[0])
  expect(server.console(`${pushed}/1`)).toMatch(new RegExp(`\\nground\\n[^]*\\ndistributing ${repo.git('rev-parse', 'HEAD')}\\n`))
  expect(server.console('check/1', 'both')).toBe('hello mill\n')
})

test('a person looks at a failed build, repeats it, cancels what waits and what runs, and why tells each decision', async () => {
  const server = await aServer({ chunks: { build_packages: '[ "$REPOSITORY" != slow ] || { touch "$QUERN_TEST_GATE"; sleep 600; }\n[ -e "$QUERN_TEST_GATE.mended" ] || { echo "error: no stones"; exit 3; }\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
  const gate = join(server.home, 'gate')
  server.set('QUERN_TEST_GATE', gate)
  const entry = server.drop({ commit_id: 'c'.repeat(40) })
  await server.build()
  const shown = await server.quern('show', 'app/1')
  expect(shown.stdout).toMatch(/^status +FAILED\n[^]*^exit code +3\n[^]*^error: no stones$/m)
  expect((await server.quern('why', 'ccccccc')).stdout).toMatch(/^failed: /)
  expect((await server.quern('why', entry)).stdout).toMatch(/^failed: /)

  writeFileSync(`${gate}.mended`, '')
  expect(await server.quern('retry', 'app/1')).toMatchObject({ code: 0 })
  const waiting = server.drop({ commit_id: 'd'.repeat(40) })
  const slow = server.drop({ repository: 'slow', commit_id: 'e'.repeat(40) })
  expect((await server.quern('queue')).stdout.match(/^waiting /gm)).toHaveLength(3)
  expect(await server.quern('cancel', waiting)).toMatchObject({ code: 0, stdout: `Dropped ${waiting} from the queue.\n` })
  server.startBuilder()
  await until('the slow build runs', () => existsSync(gate))
  expect((await server.quern('builds')).stdout).toMatch(/^slow\/1 +RUNNING /m)
  expect(await server.quern('cancel', 'slow/1')).toMatchObject({ code: 0, stdout: 'Build slow/1 has ended: CANCELLED.\n' })
  expect(await server.ended('app/2')).toBe('PASSED')
  await server.idle()

  expect(server.list('builds/app')).toEqual(['1', '2'])
  expect((await server.quern('show', 'app/2')).stdout).toMatch(/^retry of +app\/1$/m)
  expect((await server.quern('why', slow)).stdout).toMatch(/^cancelled: cancelled by /)
  expect((await server.quern('why', waiting)).stdout).toMatch(/^cancelled: dropped from the queue by /)
  expect((await server.quern('why', 'app/2')).stdout).toMatch(/^passed: /)
  expect((await server.quern('queue')).stdout).toBe(`Nothing waits in ${server.home}, and nothing is built.\n`)
  const { finished } = JSON.parse((await server.quern('builds', '--json')).stdout)
  expect(finished.map(({ verdict }: { verdict: string }) => verdict).toSorted()).toEqual(['cancelled', 'failed', 'passed'])
})
