import { buildName } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import { wentWrong, type Verdict } from '../../model/verdict.ts'
import type { Attempt } from '../attempt.ts'

/**
 * Keeps the first error of a run that did not pass beside its log, secrets hidden: mails, checks and pages show it. Where it
 * cannot be kept, on a full disk, the verdict stands.
 */
export async function keepFirstError({ workshop, claim }: Attempt, run: PlannedRun, { verdict, directory, hidden }: { verdict: Verdict; directory: string; hidden: string[] }): Promise<void> {
  if (!wentWrong(verdict)) return
  const [{ keepFirstError: keep }, { maskText }] = await Promise.all([import('../../report/first-error.ts'), import('../../secrets/mask.ts')])
  await keep(directory, (text) => maskText(text, hidden)).catch((error: unknown) => workshop.log.warn({ err: error, build: buildName(claim.build), run: run.name }, 'the first error of the run could not be kept'))
}
