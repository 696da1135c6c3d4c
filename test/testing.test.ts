import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pipeline } from '../src/plan/pipeline/pipeline.ts'
import { plan, simulate } from '../src/testing.ts'
import { tempDir } from './helpers/temp-dir.ts'

const mill = pipeline((p) => {
  p.job('lint', 'x')
  p.stage('test', () => {
    p.job('db', 'x', { service: true, image: 'db' })
    p.job('unit', 'x')
    p.job('slow', 'x')
  })
  if (p.repo.branch === 'main') p.job('publish', 'x', { deploy: true })
})

test('a plan is made for a pretended branch, sha, message and file list', async () => {
  const facts = pipeline((p) => void p.job(JSON.stringify([p.repo.branch, p.repo.tag, p.repo.sha.slice(0, 4), p.repo.message, p.repo.files, p.repo.pullRequest?.number]), 'x'))
  const name = async (pretended: Parameters<typeof plan>[1]) => JSON.parse((await plan(facts, pretended)).runs[0]!.name) as unknown
  expect(await name({})).toEqual(['main', null, 'aaaa', 'Change', null, null])
  expect(await name({ branch: 'dev', sha: 'beef', message: 'Grind', files: ['a'] })).toEqual(['dev', null, 'beef', 'Grind', ['a'], null])
  expect(await name({ tag: 'v1', pullRequest: { number: 7 } })).toEqual([null, null, 'aaaa', 'Change', null, 7])
  expect((await plan(mill, { branch: 'dev' })).runs.map((run) => run.name)).toEqual(['lint', 'db', 'unit', 'slow'])
})

test('a simulation tells the order, and what a failing job does to the others', async () => {
  expect(await simulate(mill)).toEqual({
    verdict: 'passed',
    order: ['lint', 'db', 'unit', 'slow', 'publish'],
    verdicts: { lint: 'passed', db: 'passed', unit: 'passed', slow: 'passed', publish: 'passed' },
    reasons: {},
  })
  const broken = await simulate(mill, { acts: { unit: 'failed', slow: { takes: 20 } } })
  expect(broken).toMatchObject({ verdict: 'failed', order: ['lint', 'db', 'unit', 'slow'], verdicts: { slow: 'passed', publish: 'skipped' }, reasons: { publish: 'it needs unit, which failed' } })
  expect((await simulate(mill, { acts: { db: 'failed' } })).verdicts).toEqual({ lint: 'passed', db: 'failed', unit: 'skipped', slow: 'skipped', publish: 'skipped' })
  await expect(simulate(mill, { acts: { lnit: 'failed' } })).rejects.toThrow('"lnit" acts, and no job has that name')
})

test('an untrusted request is planned as the server would', async () => {
  expect((await simulate(mill, { trusted: false })).reasons).toEqual({ publish: 'it deploys, which is never done for untrusted requests' })
})

test('the package offers the pipeline API alone, and its test kit', async () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, { default: string }> }
  const [api, kit] = [exports['.']!, exports['./testing']!].map(({ default: path }) => join(process.cwd(), path)) as [string, string]
  expect(Object.keys((await import(api)) as object)).toEqual(['pipeline'])
  expect(Object.keys((await import(kit)) as object)).toEqual(['plan', 'simulate'])
})

test('the examples and the pages are type-checked against the package’s types, and the examples’ tests pass', () => {
  const project = tempDir()
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  symlinkSync(process.cwd(), join(project, 'node_modules/quern'))
  symlinkSync(join(process.cwd(), 'node_modules/@types/node'), join(project, 'node_modules/@types/node'))
  for (const name of ['pipeline.ts', 'pipeline.test.ts']) copyFileSync(join('examples/pipelines', name), join(project, name))
  const blocks = [...readFileSync('docs/pipelines.md', 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!)
  expect(blocks.length).toBeGreaterThan(1)
  blocks.forEach((text, index) => writeFileSync(join(project, `page-${index}.ts`), text))
  writeFileSync(join(project, 'wrong.ts'), `import { pipeline } from 'quern'
export default pipeline((p) => {
  for (const env of p.matrix({ A: ['x', 'y'] })) {
    const a: 'x' | 'y' = env.A
    // @ts-expect-error no such value
    const b: 'z' = env.A
    p.job(a + b, 'true', { env })
  }
  // @ts-expect-error no such option
  p.job('a', 'true', { timout: 3 })
  // @ts-expect-error no script
  p.job('b')
})\n`)
  writeFileSync(join(project, 'package.json'), '{"type": "module"}')
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: { strict: true, module: 'nodenext', target: 'es2023', noEmit: true, allowImportingTsExtensions: true, types: ['node'], noUncheckedIndexedAccess: true } }))
  const checked = spawnSync(process.execPath, [join(process.cwd(), 'node_modules/typescript/bin/tsc')], { cwd: project, encoding: 'utf8' })
  expect(checked.stdout).toBe('')
  const ran = spawnSync(process.execPath, [join(process.cwd(), 'node_modules/jiti/lib/jiti-cli.mjs'), 'pipeline.test.ts'], { cwd: project, encoding: 'utf8', env: { PATH: process.env['PATH'] } })
  expect(ran.stdout).toMatch(/# pass 2|ℹ pass 2/)
})
