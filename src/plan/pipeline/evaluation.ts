import type { RepoFacts } from './define-jobs.ts'

/** What the evaluating process is given, as a JSON file named on its command line. */
export interface EvaluationInput {
  /** The commit's work tree. */
  root: string
  /** The pipeline file, relative to it. */
  file: string
  /** The module that `import 'quern'` means. */
  api: string
  /** Where it leaves its answer. */
  answer: string
  repo: RepoFacts
}

/** What it leaves: the jobs as data, or what is wrong with the file. */
export type EvaluationAnswer = { defined: unknown } | { mistake: string }
