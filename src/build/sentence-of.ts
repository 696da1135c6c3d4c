import type { Verdict } from '../model/verdict.ts'

interface Ended {
  verdict: Verdict
  code?: number | undefined
  reason?: string | undefined
}

const verbs: Partial<Record<Verdict, string>> = { 'timed-out': 'timed out', 'not-applied': 'could not be applied', cancelled: 'was cancelled', skipped: 'was skipped' }

/** How a build or a run ended: `The build failed with exit code 2.` */
export function sentenceOf(subject: string, { verdict, code, reason }: Ended): string {
  const because = reason === undefined ? '' : `: ${reason}`
  return `${subject} ${verbs[verdict] ?? verdict}${code === undefined || verdict === 'passed' ? '' : ` with exit code ${code}`}${because}${because.endsWith('.') ? '' : '.'}`
}
