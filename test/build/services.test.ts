/** @module-tag long */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { grindQueue } from '../../src/build/builder.ts'
import { configSchema } from '../../src/commands/open-config.ts'
import { openWorkshop } from '../../src/commands/open-workshop.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { findEngine } from '../../src/executor/engine.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import { aHome, exitOf, until } from '../helpers/a-home.ts'
import { aPipelineHome } from '../helpers/a-pipeline-home.ts'
import { hostPrograms, openTestEngine, testImage } from '../helpers/container-engine.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { processesMarked } from '../helpers/processes-marked.ts'

const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

const head = "import { pipeline } from 'quern'\n"

test.skipIf(!sandbox)('jobs share a directory, and what they leave there for the report is in the result, never through a link', async () => {
  const { buildCommit, result, console: log, list } = aPipelineHome()
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline((p) => {
  p.stage('one', () => {
    p.job('cover', 'echo data > "$QUERN_SHARED/file"; printf "coverage \\\\033[31m81 %%\\\\nsecond line %s" "$(seq -s , 100)" > "$QUERN_SHARED/cover.txt"')
    p.job('shell', 'echo "a version" > "$QUERN_SHARED/shell.txt"', { executor: 'shell' })
    p.job('link', 'ln -s /etc/hostname "$QUERN_SHARED/link.txt"')
    p.job('pipe', 'mkfifo "$QUERN_SHARED/pipe.txt"')
  })
  p.job('read', 'cat "$QUERN_SHARED/file"')
})`,
  })
  expect(result(build).verdict).toBe('passed')
  expect(result(build).runs.map(({ name, note }) => [name, note])).toEqual([
    ['cover', 'coverage 81 % second line 1,2,3,4,5,6,7,'],
    ['shell', 'a version'],
    ['link', undefined],
    ['pipe', undefined],
    ['read', undefined],
  ])
  expect(log(build, 'read')).toBe('data\n')
  expect(list('cache/work')).toEqual([])
})

/** A server of one page, and a client that knows it by name. */
const server = (port: number) => `require('node:http').createServer((_, answer) => answer.end('grain')).listen(${port})`
const client = (address: string) => `require('node:http').get('http://${address}', (answer) => answer.pipe(process.stdout))`

test.skipIf(!sandbox)('in the sandbox a service is found by its name, waited for until it is ready, and stopped at the end', async () => {
  const port = 20_000 + (process.pid % 20_000)
  const { buildCommit, result, console: log, status } = aPipelineHome()
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline((p) => {
  p.job('mill', ${JSON.stringify(`sleep 0.5; exec node -e "${server(port)}"`)}, { service: true, ready: ${JSON.stringify(`node -e "${client(`127.0.0.1:${port}`)}"`)} })
  p.job('fetch', ${JSON.stringify(`node -e "${client(`mill:${port}`)}"`)})
})`,
  })
  expect(result(build).runs).toMatchObject([{ name: 'mill', verdict: 'passed' }, { name: 'fetch', verdict: 'passed' }])
  expect(status(`${build}/runs/mill`)).toBe('PASSED')
  expect(log(build, 'fetch')).toBe('grain')
})

const outwards = isInstalled('slirp4netns', 'apt-get install slirp4netns')

/** How a sandbox comes to be on a network that its build has to itself. */
const apart = [
  { who: 'trusted', options: { network: false }, request: {}, grants: undefined },
  { who: 'untrusted', options: {}, request: { source: 'github', trusted: false } as const, grants: undefined },
  ...(outwards ? [{ who: 'granted the outside world', options: {}, request: { source: 'github', trusted: false } as const, grants: 'grants: {untrusted_network: ["**"]}\n' }] : []),
]

test.skipIf(!sandbox).each(apart)('without this host\'s network ($who) services are found by name, by later jobs and by each other, too, on a port that something else has outside', async ({ options, request, grants }) => {
  const outside = createServer((_, answer) => answer.end('chaff')).listen(0, '127.0.0.1')
  onTestFinished(() => void outside.close())
  await once(outside, 'listening')
  const { port } = outside.address() as { port: number }
  const { home, buildCommit, result, console: log } = aPipelineHome()
  if (grants !== undefined) writeFileSync(join(home, 'quern.yaml'), grants)
  const ask = (address: string) => `node -e "${client(address)}"`
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline(${JSON.stringify(options)}, (p) => {
  p.stage('build', () => {
    p.job('mill', ${JSON.stringify(`exec node -e "${server(port)}"`)}, { service: true, ready: ${JSON.stringify(ask(`127.0.0.1:${port}`))} })
    p.job('shop', ${JSON.stringify(`until ${ask(`mill:${port}`)} 2>/dev/null; do sleep 0.1; done; sleep 600`)}, { service: true })
    p.job('fetch', ${JSON.stringify(ask(`mill:${port}`))})
  })
  p.job('after', ${JSON.stringify(ask(`mill:${port}`))})
})`,
  }, request)
  expect(result(build)).toMatchObject({ verdict: 'passed' })
  expect(['fetch', 'after', 'shop'].map((run) => log(build, run).replace(/quern: .*\n/, ''))).toEqual(['grain', 'grain', 'grain'])
  expect(processesMarked(home)).toEqual([])
})

test.skipIf(!sandbox)('on this host\'s network, jobs in the shell and in the sandbox find the services of both by name', async () => {
  const port = 20_000 + (process.pid % 20_000)
  const { buildCommit, result, console: log } = aPipelineHome()
  const both = `node -e "${client(`mill:${port}`)}"; node -e "${client(`shop:${port + 1}`)}"`
  const service = (name: string, at: number, executor: string) => `p.job('${name}', ${JSON.stringify(`exec node -e "${server(at)}"`)}, { service: true, executor: '${executor}', ready: ${JSON.stringify(`node -e "${client(`${name}:${at}`)}"`)} })`
  const build = await buildCommit({ '.quern/pipeline.ts': `${head}export default pipeline((p) => {\n${service('mill', port, 'sandbox')}\n${service('shop', port + 1, 'shell')}\np.job('inside', ${JSON.stringify(both)})\np.job('outside', ${JSON.stringify(both)}, { executor: 'shell' })\n})` })
  expect(result(build).verdict).toBe('passed')
  expect([log(build, 'inside'), log(build, 'outside')]).toEqual(['graingrain', 'graingrain'])
})

test.skipIf(!sandbox)('a job that has another network than the service is told so, and one that needs no service stays alone', async () => {
  const { home, buildCommit, result, console: log } = aPipelineHome()
  const look = 'grep -c mill /etc/hosts || true; readlink /proc/self/ns/net'
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline({ network: false }, (p) => {
  p.job('before', '${look}')
  p.stage('test', () => {
    p.job('mill', '${look}; sleep 600', { service: true })
    p.job('with', '${look}')
    p.job('without', '${look}', { network: true })
  })
})`,
  })
  expect(result(build).verdict).toBe('passed')
  const [before, mill, together, other] = ['before', 'mill', 'with', 'without'].map((run) => log(build, run).replace(/quern: .*\n/, '').split('\n'))
  expect([before![0], mill![0], together![0], other![0]]).toEqual(['0', '1', '1', '0'])
  expect(together![1]).toBe(mill![1])
  expect(new Set([before![1], mill![1], other![1]]).size).toBe(3)
  const told = readFileSync(join(home, 'builds', build, 'summary.log'), 'utf8')
  expect(told.match(/Run \w+ cannot reach .*/g)).toEqual([expect.stringMatching(/^Run without cannot reach mill by name: .*the network/)])
})

test.skipIf(!sandbox)('a service that is killed while it is needed is told, whatever the jobs say', async () => {
  const { buildCommit, result } = aPipelineHome()
  const build = await buildCommit({ '.quern/pipeline.ts': `${head}export default pipeline({ network: false }, (p) => {\n  p.job('db', 'sleep 1.5; kill -9 $$', { service: true })\n  p.job('test', 'sleep 1')\n})` })
  expect(result(build)).toMatchObject({ verdict: 'failed', reason: 'the service was ended by SIGKILL', runs: [{ verdict: 'failed', code: 137 }, { verdict: 'passed' }] })
})

test.skipIf(!sandbox)('nothing of a build with services is left when its builder is killed, and the next builder builds it', async () => {
  const { home, list, startBuilder, build, repo, drop, result } = aPipelineHome()
  const commit = repo.commit({ '.quern/pipeline.ts': `${head}export default pipeline({ network: false }, (p) => {\n  p.job('db', 'sleep 600', { service: true })\n  p.job('test', 'sleep 2')\n})` })
  drop({ commit_id: commit, clone_url: repo.path })
  const builder = startBuilder()
  await until('the job runs', () => list('builds/app/1/runs').includes('test') && processesMarked(home).some((line) => line.includes('read -r line')))
  builder.kill('SIGKILL')
  await exitOf(builder)
  await until('all of it ends', () => processesMarked(home).length === 0)
  await build()
  expect(result('app/1')).toMatchObject({ verdict: 'passed', attempt: 2 })
  expect(processesMarked(home)).toEqual([])
})

test.skipIf(!sandbox)('a service that dies at start is told, and the queue goes on', async () => {
  const { buildCommit, result, console: log } = aPipelineHome()
  const pipeline = (script: string) => ({ '.quern/pipeline.ts': `${head}export default pipeline((p) => {\n  p.job('db', '${script}', { service: true })\n  p.job('test', 'true')\n})` })
  const dead = await buildCommit(pipeline('echo "no space for the database" >&2; exit 4'))
  expect(result(dead)).toMatchObject({ verdict: 'failed', reason: 'the service ended by itself with exit code 4', runs: [{ verdict: 'failed', code: 4 }, { verdict: 'skipped', reason: 'it needs db, which failed' }] })
  expect(log(dead, 'db')).toContain('no space for the database')
  expect(result(await buildCommit(pipeline('sleep 600'))).verdict).toBe('passed')
})

test('in containers a service is found by its name on a network of the build, and the directory is shared', async (context) => {
  const engine = openTestEngine()
  if (typeof engine === 'string') return context.skip(engine)
  onTestFinished(engine.remove)
  const { settings } = engine
  const { home, drop, result, console: log } = aHome({ settings: { ENGINE: 'podman', ENGINE_OPTIONS: settings.engineOptions.join(' '), CONTAINER_PULL: 'never' } })
  drop()
  const workshop = openWorkshop(await loadConfig(home, configSchema), 1)
  const runs = [
    inContainer('mill', `exec node -e "${server(8080)}"`, { service: true, ready: `node -e "${client('127.0.0.1:8080')}"` }),
    inContainer('fetch', `node -e "${client('mill:8080')}" > "$QUERN_SHARED/fetch.txt"`, { needs: ['mill'] }),
    inContainer('read', 'cat "$QUERN_SHARED/fetch.txt"', { needs: ['fetch'] }),
  ]
  workshop.settle = async (request) => ({ plan: { pipeline: 'file:a.ts', why: 'a test', runs, notify: [] }, request, disclose: async () => ({ env: {}, hidden: [], withheld: [] }) })
  await grindQueue(workshop, { endLeftovers: async () => {}, stop: new AbortController().signal })
  expect(result('app/1').runs).toMatchObject([{ name: 'mill', verdict: 'passed' }, { name: 'fetch', verdict: 'passed', note: 'grain' }, { name: 'read', verdict: 'passed' }])
  expect(log('app/1', 'read')).toBe('grain')
  const found = findEngine(settings)
  expect(typeof found === 'string' ? found : (await found.run('network', 'ls', '--quiet', '--filter', `label=quern.home=${workshop.homeId}`)).stdout).toBe('')
})

function inContainer(name: string, script: string, more: Partial<PlannedRun> = {}): PlannedRun {
  return { name, job: name, executor: 'container', image: testImage, mounts: [hostPrograms], script, needs: [], workspace: 'none', env: {}, params: {}, secrets: [], timeout: 1, network: false, artifacts: [], ...more }
}

test('builds whose services have turns in the same groups, in another order each, wait for each other one way only', async () => {
  const { drop, repo, home, status, list, startBuilder } = aPipelineHome({ THREADS: '4', BLAME: 'never' })
  const mark = join(home, 'began-')
  /** The second service comes when both builds have begun, or have had the time. */
  const commitOf = (mine: string, first: string, second: string) =>
    repo.commit({
      '.quern/pipeline.ts': `${head}export default pipeline({ executor: 'shell', workspace: 'none' }, (p) => {
  p.stage('first', () => {
    p.job('one', 'touch ${mark}${mine}; sleep 1000', { service: true, group: '${first}' })
    p.job('between', 'for i in $(seq 30); do [ $(ls ${mark}* | wc -l) = 2 ] && break; sleep 0.1; done')
  })
  p.stage('second', () => {
    p.job('two', 'sleep 1000', { service: true, group: '${second}' })
    p.job('use', 'true')
  })
})`,
    })
  for (const commit of [commitOf('a', 'north', 'south'), commitOf('b', 'south', 'north')]) drop({ commit_id: commit, clone_url: repo.path })
  await exitOf(startBuilder(['--threads', '4']))
  expect(list('builds/app').map((number) => status(`app/${number}`))).toEqual(['PASSED', 'PASSED'])
})
