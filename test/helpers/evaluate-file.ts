import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { EvaluationAnswer, EvaluationInput } from '../../src/plan/pipeline/evaluation.ts'
import type { RepoFacts } from '../../src/plan/pipeline/define-jobs.ts'
import { tempDir } from './temp-dir.ts'

/** What a pipeline file is told in tests. */
export const someFacts: RepoFacts = {
  name: 'mill',
  sha: 'a'.repeat(40),
  ref: 'refs/heads/main',
  branch: 'main',
  message: 'Grind finer',
  author: { name: 'Ada Example', email: 'ada@example.org' },
  committer: { name: 'Ada Example', email: 'ada@example.org' },
  files: ['src/mill.c', 'docs/mill.md'],
  trusted: true,
}

/** Runs the bundled evaluating program on a pipeline file, as a build does inside the sandbox. Undefined where it leaves no answer. */
export async function evaluateFile(text: string, { file = '.quern/pipeline.ts', files = {}, facts = {} }: { file?: string; files?: Record<string, string>; facts?: Partial<RepoFacts> } = {}): Promise<EvaluationAnswer> {
  const directory = tempDir()
  const root = join(directory, 'tree')
  for (const [name, content] of Object.entries({ ...files, [file]: text })) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  const input: EvaluationInput = { root, file, api: join(process.cwd(), 'dist/pipeline/index.js'), answer: join(directory, 'answer.json'), repo: { ...someFacts, ...facts } }
  writeFileSync(join(directory, 'input.json'), JSON.stringify(input))
  const child = spawn(process.execPath, ['dist/pipeline/evaluate.js', join(directory, 'input.json')], { stdio: 'ignore' })
  await new Promise((resolve) => child.once('exit', resolve))
  return JSON.parse(readFileSync(input.answer, 'utf8')) as EvaluationAnswer
}
