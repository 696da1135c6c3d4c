import { expect, test } from 'vitest'
import { defineJobs } from '../../../src/plan/pipeline/define-jobs.ts'
import { pipeline, type PipelineContext } from '../../../src/plan/pipeline/pipeline.ts'
import { someFacts } from '../../helpers/evaluate-file.ts'

const wrong = (value: unknown) => value as never

test.each<[string, (p: PipelineContext) => void, string]>([
  ['a duplicate name', (p) => [p.job('a', 'x'), p.job('a', 'x')], 'HERE: two jobs or stages are named "a": give each its own name (HERE)'],
  ['a job named like a stage', (p) => [p.stage('a', () => {}), p.job('a', 'x')], 'HERE: two jobs or stages are named "a": give each its own name (HERE)'],
  ['an unknown need', (p) => p.job('a', 'x', { needs: ['b'] }), 'HERE: the job "a" needs "b", and no job has that name'],
  ['a tree of an unknown job', (p) => p.job('a', 'x', { workspace: { from: 'b' } }), 'HERE: the job "a" needs "b", and no job has that name'],
  ['a need of a later stage', (p) => [p.job('a', 'x', { needs: ['b'] }), p.stage('s', () => void p.job('b', 'x'))], 'HERE: the job "a" needs "b" of a later stage (HERE)'],
  ['a circle', (p) => [p.job('a', 'x', { needs: ['c'] }), p.job('b', 'x', { needs: ['a'] }), p.job('c', 'x', { needs: ['b'] }), p.job('d', 'x', { needs: ['a'] })], 'HERE: these jobs need each other in a circle: "a" (HERE) needs "c" (HERE) needs "b" (HERE) needs "a" (HERE)'],
  ['an empty matrix', (p) => p.matrix({}), 'HERE: the matrix is empty: expected names with lists of values'],
  ['a matrix with an empty list', (p) => p.matrix({ A: ['x'], B: [] }), 'HERE: the matrix is empty: B has no values'],
  ['a matrix that is too large', (p) => p.matrix({ A: Array(100).fill(1) as number[], B: Array(100).fill(1) as number[] }), 'HERE: the matrix has 10,000 combinations: expected at most 2,000'],
  ['a stage in a stage', (p) => p.stage('a', () => p.stage('b', () => {})), 'HERE: the stage "b" is inside the stage "a": stages follow one another'],
  ['an async stage', (p) => p.stage('a', async () => {}), 'HERE: the function of the stage "a" is async: await before p.stage(), not inside'],
  ['an option that does not exist', (p) => p.job('a', 'x', wrong({ timout: 3 })), 'HERE: the job "a": there is no option "timout"'],
  ['an option of the wrong type', (p) => p.job('a', 'x', { timeout: wrong('long') }), 'HERE: the job "a": timeout: expected minutes as a number, got "long"'],
  ['a variable that Quern sets itself', (p) => p.job('a', 'x', { env: { REF: 'y' } }), 'HERE: the job "a": env.REF: expected a name that Quern and bash do not set themselves, got "REF"'],
  ['a job without a script', (p) => p.job('a', wrong(undefined)), 'HERE: the job "a": script: is missing'],
  ['a job without a name', (p) => p.job(wrong(7), 'x'), 'HERE: a job: expected its name, a text, first'],
  ['a container without an image', (p) => p.job('a', 'x', { executor: 'container' }), 'HERE: the job "a": image: expected an image, since the executor is "container"'],
  ['a service without a host name', (p) => p.job('Data base', 'x', { service: true }), 'HERE: the job "Data base": name: expected a host name, since jobs reach the service under it: small letters, digits and "-"'],
  ['a service that deploys', (p) => p.job('db', 'x', { service: true, deploy: true }), 'HERE: the job "db": deploy: expected no service: a deploy ends by itself'],
  ['a service that needs a job of its stage', (p) => [p.job('a', 'x'), p.job('db', 'x', { service: true, needs: ['a'] })], 'HERE: the service "db" needs "a" (HERE), but services start before the jobs of their stage'],
])('%s is told with its place', async (_, define, message) => {
  await expect(mistakeOf(define)).resolves.toBe(message)
})

test('a job that is defined when the function has ended is told, not lost', async () => {
  let late: PipelineContext
  await defineJobs(pipeline((p) => void (late = p)), someFacts, process.cwd())
  expect(() => late.job('a', 'x')).toThrow('was defined after the pipeline\'s function had ended')
})

test('options of the pipeline as a whole are checked, too', async () => {
  const define = () => {}
  await expect(defineJobs(pipeline({ notify: ['nobody'] }, define), someFacts, process.cwd())).rejects.toThrow('the pipeline: notify.0: expected an e-mail address')
  await expect(defineJobs(pipeline({ supersede: true, notify: ['watcher@example.org'] }, define), someFacts, process.cwd())).resolves.toEqual({ jobs: [], supersede: true, notify: ['watcher@example.org'] })
})

/** What is told, each place in this file as HERE. */
async function mistakeOf(define: (p: PipelineContext) => void): Promise<string> {
  const told = await defineJobs(pipeline((p) => void define(p)), someFacts, process.cwd()).then(() => 'nothing', (error: Error) => error.message)
  return told.replaceAll(/test\/plan\/pipeline\/define-jobs\.test\.ts:\d+/g, 'HERE')
}
