import { afterAll, expect, test } from 'vitest'
import { grindQueue } from '../../src/build/builder.ts'
import { configSchema } from '../../src/commands/open-config.ts'
import { openWorkshop } from '../../src/commands/open-workshop.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { findEngine } from '../../src/executor/engine.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import { aHome } from '../helpers/a-home.ts'
import { aPipelineHome } from '../helpers/a-pipeline-home.ts'
import { hostPrograms, openTestEngine, testImage } from '../helpers/container-engine.ts'
import { isInstalled } from '../helpers/is-installed.ts'

const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

const engine = openTestEngine()
if (typeof engine === 'string') console.warn(`skipped: services in containers: ${engine}`)
else afterAll(engine.remove)

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
  const { buildCommit, result, console: log } = aPipelineHome()
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline((p) => {
  p.job('mill', ${JSON.stringify(`sleep 0.5; exec node -e "${server(port)}"`)}, { service: true, ready: ${JSON.stringify(`node -e "${client(`127.0.0.1:${port}`)}"`)} })
  p.job('fetch', ${JSON.stringify(`node -e "${client(`mill:${port}`)}"`)})
})`,
  })
  expect(result(build).runs).toMatchObject([{ name: 'mill', verdict: 'passed' }, { name: 'fetch', verdict: 'passed' }])
  expect(log(build, 'fetch')).toBe('grain')
})

test.skipIf(!sandbox)('a service that dies at start is told, and the queue goes on', async () => {
  const { buildCommit, result, console: log } = aPipelineHome()
  const pipeline = (script: string) => ({ '.quern/pipeline.ts': `${head}export default pipeline((p) => {\n  p.job('db', '${script}', { service: true })\n  p.job('test', 'true')\n})` })
  const dead = await buildCommit(pipeline('echo "no space for the database" >&2; exit 4'))
  expect(result(dead)).toMatchObject({ verdict: 'failed', reason: 'the service ended by itself with exit code 4', runs: [{ verdict: 'failed', code: 4 }, { verdict: 'skipped', reason: 'it needs db, which failed' }] })
  expect(log(dead, 'db')).toContain('no space for the database')
  expect(result(await buildCommit(pipeline('sleep 600'))).verdict).toBe('passed')
})

test.skipIf(typeof engine === 'string')('in containers a service is found by its name on a network of the build, and the directory is shared', async () => {
  const { settings } = engine as Exclude<typeof engine, string>
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
