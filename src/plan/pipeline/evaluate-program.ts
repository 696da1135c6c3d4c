import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createJiti } from 'jiti/static'
import { defineJobs } from './define-jobs.ts'
import type { EvaluationAnswer, EvaluationInput } from './evaluation.ts'
import { isPipeline } from './is-pipeline.ts'
import { callerOf, placeIn, PipelineMistake } from './place.ts'

// Runs in a process of its own, isolated like a job: node evaluate.js <input.json>. The answer is a file, so that
// nothing that the pipeline prints can be taken for it.

const input = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as EvaluationInput
const { root, file } = input
const exit = process.exit.bind(process)
let answered = false

process.exit = leaveEarly as typeof process.exit
process.on('exit', () => answer({ mistake: `${file}: it never came to its end: it awaits something that never happens` }))
process.on('uncaughtException', (error) => finish({ mistake: describe(error) }))
process.chdir(root)
try {
  finish({ defined: await evaluate() })
} catch (error) {
  finish({ mistake: describe(error) })
}

async function evaluate(): Promise<unknown> {
  const jiti = createJiti(join(root, file), { alias: { quern: input.api }, fsCache: false, interopDefault: false })
  const module = await jiti.import<{ default?: unknown }>(join(root, file))
  // A CommonJS file's exports may be the pipeline itself, or hold it once more.
  const found = [module, module.default, (module.default as typeof module | undefined)?.default].find(isPipeline)
  if (found === undefined) throw new PipelineMistake(`${file}: it exports no pipeline: expected "export default pipeline((p) => { … })"`)
  return defineJobs(found, input.repo, root)
}

/** The first answer counts. */
function answer(given: EvaluationAnswer): void {
  if (answered) return
  answered = true
  writeFileSync(input.answer, JSON.stringify(given))
}

/** Timers and servers that the file started do not keep the process alive. */
function finish(given: EvaluationAnswer): void {
  answer(given)
  exit(0)
}

function leaveEarly(code?: number | string): void {
  finish({ mistake: `${callerOf(leaveEarly, root) ?? file}: it called process.exit(${code ?? ''}) before its jobs were known` })
}

/** One message with file and line for whatever the file's own code can do wrong. */
function describe(error: unknown): string {
  if (error instanceof PipelineMistake) return error.message
  if (!(error instanceof Error)) return `${file}: it threw ${JSON.stringify(error) ?? String(error)}`
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') return missingModule(error)
  const syntax = /^(?:ParseError|SyntaxError): (.*?)\s*\n?\s*(\/[^\n]*?):(\d+):\d+/s.exec(error.message)
  if (syntax !== null) return `${relative(root, syntax[2]!)}:${syntax[3]}: ${syntax[1]!.trim()}`
  return `${placeIn(error.stack, root) ?? file}: ${error.name}: ${error.message}`
}

function missingModule(error: Error): string {
  const name = /Cannot find (?:module|package) '([^']+)'/.exec(error.message)?.[1] ?? ''
  const shown = name.startsWith(root) ? relative(root, name) : name
  const importer = placeIn(error.stack, root)
  const place = importer ?? `${file}${lineOf(shown.split('/').at(-1)!)}`
  const remedy = shown.startsWith('.') || name.startsWith('/') ? 'no such file is in the commit' : 'add it to .quern/package.json and its lock file'
  return `${place}: it imports "${shown}", which is not there: ${remedy}`
}

/** `:line` of the import, where the stack does not tell. */
function lineOf(name: string): string {
  const lines = readFileSync(join(root, file), 'utf8').split('\n')
  const index = lines.findIndex((line) => /\b(?:import|from|require)\b/.test(line) && line.includes(name))
  return index < 0 ? '' : `:${index + 1}`
}
