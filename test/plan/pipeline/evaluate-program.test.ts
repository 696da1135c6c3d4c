import { expect, test } from 'vitest'
import type { Defined } from '../../../src/plan/pipeline/defined.ts'
import { evaluateFile } from '../../helpers/evaluate-file.ts'

const head = "import { pipeline } from 'quern'\n"

test('a file is evaluated to its jobs: stages, a matrix, inherited options, what is known of the repository', async () => {
  const defined = await definedBy(`${head}
interface Browser { name: string }
const browsers: Browser[] = [{ name: 'firefox' }, { name: 'chromium' }]
export default pipeline({ image: 'node:22', env: { A: 1, B: 'pipeline' }, timeout: 5 }, (p) => {
  const lint = p.job('lint', 'npm run lint')
  p.stage('test', { image: \`app:\${p.repo.sha.slice(0, 4)}\`, env: { B: 'stage' } }, () => {
    for (const env of p.matrix({ BROWSER: browsers.map(({ name }) => name), SCREEN: ['phone', 'desktop'] }))
      p.job(\`test \${env.BROWSER} \${env.SCREEN}\`, 'npm test', { env })
    p.job('report', 'npm run report', { needs: [lint], timeout: 1, memory: '2g' })
  })
  if (p.repo.branch === 'main' && p.repo.changed('docs/**')) p.job('publish', './publish.sh', { needs: ['report'], secrets: ['NPM_TOKEN'], deploy: true })
  if (p.repo.changed('**/*.rs')) p.job('never', 'cargo test')
})`)
  expect(defined.jobs.map(({ name, stage }) => [name, stage])).toEqual([
    ['lint', 0], ['test firefox phone', 1], ['test firefox desktop', 1], ['test chromium phone', 1], ['test chromium desktop', 1], ['report', 1], ['publish', 2],
  ])
  expect(defined.jobs[1]).toMatchObject({ image: 'app:aaaa', env: { A: '1', B: 'stage', BROWSER: 'firefox', SCREEN: 'phone' }, timeout: 5, place: '.quern/pipeline.ts:9' })
  expect(defined.jobs[5]).toMatchObject({ needs: ['lint'], timeout: 1, memory: 2048 })
  expect(defined.jobs[6]).toMatchObject({ image: 'node:22', secrets: ['NPM_TOKEN'], deploy: true })
})

test('JavaScript, CommonJS, files beside it, async functions and printing all work', async () => {
  expect((await definedBy("const { pipeline } = require('quern')\nmodule.exports = pipeline((p) => { p.job('a', 'true') })", { file: '.quern/pipeline.js' })).jobs).toHaveLength(1)
  const defined = await definedBy(`${head}import { names } from './names.ts'\nimport { readFile } from 'node:fs/promises'
console.log('{"defined": {"jobs": []}}')
process.stdout.write('not the answer')
export default pipeline(async (p) => {
  const text = await readFile('list.txt', 'utf8')
  setInterval(() => {}, 1000)
  for (const name of [...names, ...text.trim().split(' ')]) p.job(name, 'true')
})`, { files: { '.quern/names.ts': "export const names: string[] = ['one']\n", 'list.txt': 'two three\n' } })
  expect(defined.jobs.map(({ name }) => name)).toEqual(['one', 'two', 'three'])
})

test.each([
  ['throws', `${head}interface X { a: string }\nexport default pipeline((p) => {\n  const x: X = { a: 'b' }\n  throw new Error('boom ' + x.a)\n})`, '.quern/pipeline.ts:5: Error: boom b'],
  ['throws what is no error', `${head}export default pipeline(() => { throw 'words' })`, '.quern/pipeline.ts: it threw "words"'],
  ['throws later', `${head}export default pipeline(() => new Promise(() => setTimeout(() => { throw new TypeError('late') }, 1)))`, '.quern/pipeline.ts:2: TypeError: late'],
  ['does not parse', `${head}\nexport default pipeline((p) => {\n  p.job('a' 'b')\n})`, '.quern/pipeline.ts:4: Unexpected token, expected ","'],
  ['imports a package that is not there', `${head}import x from 'nowhere'\nexport default pipeline(x)`, '.quern/pipeline.ts:2: it imports "nowhere", which is not there: add it to .quern/package.json and its lock file'],
  ['imports a file that is not there', `${head}\nimport x from './nowhere.ts'\nexport default pipeline(x)`, '.quern/pipeline.ts:3: it imports "./nowhere.ts", which is not there: no such file is in the commit'],
  ['returns nothing', 'console.log(1)\n', '.quern/pipeline.ts: it exports no pipeline: expected "export default pipeline((p) => { … })"'],
  ['exports something else', `${head}export default { pipeline }`, '.quern/pipeline.ts: it exports no pipeline: expected "export default pipeline((p) => { … })"'],
  ['exits', `${head}\nprocess.exit(3)`, '.quern/pipeline.ts:3: it called process.exit(3) before its jobs were known'],
  ['awaits for ever', `${head}export default pipeline(() => new Promise(() => {}))`, '.quern/pipeline.ts: it never came to its end: it awaits something that never happens'],
  ['asks for 10,000 jobs', `${head}export default pipeline((p) => {\n  for (let i = 0; i < 10_000; i++)\n    p.job(\`job \${i}\`, 'true')\n})`, '.quern/pipeline.ts:4: the pipeline asks for more than 2,000 jobs, which is the most'],
])('a file that %s is told with file and line', async (_, text, mistake) => {
  expect(await evaluateFile(text)).toEqual({ mistake })
})

test('a helper that defines jobs is told as the place where it does so', async () => {
  const helper = "export function twice(p: any, name: string) {\n  p.job(name, 'true')\n  p.job(name, 'true')\n}\n"
  expect(await evaluateFile(`${head}import { twice } from './twice.ts'\nexport default pipeline((p) => twice(p, 'a'))`, { files: { '.quern/twice.ts': helper } })).toEqual({
    mistake: '.quern/twice.ts:3: two jobs or stages are named "a": give each its own name (.quern/twice.ts:2)',
  })
})

async function definedBy(text: string, more: Parameters<typeof evaluateFile>[1] = {}): Promise<Defined> {
  const answer = await evaluateFile(text, more)
  expect(answer).toHaveProperty('defined')
  return (answer as { defined: Defined }).defined
}
