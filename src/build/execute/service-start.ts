import type { Execution } from '../../executor/executor.ts'
import type { PlannedRun } from '../../model/plan.ts'

/** What a service's console says once it can be used. */
const mark = 'quern: the service can be used'

/** Milliseconds that a service which cannot be asked has to fall over before jobs count on it. */
const doubt = 1000

/** The script of a run; that of a service says when it can be used: once `ready` succeeds, or else when it begins. */
export function scriptOf({ script, service, ready }: PlannedRun): string {
  const say = `echo '${mark}'`
  if (!service) return script
  if (ready === undefined) return `${say}\n${script}`
  return `{ until (\n${ready}\n) >/dev/null 2>&1; do sleep 0.2; done; ${say}; } &\n${script}`
}

/** Passes a service's output on, and calls `usable` when it has said so. */
export function watchStart(run: PlannedRun, output: Execution['output'], usable: () => void): Execution['output'] {
  let last = ''
  let seen = false
  return (chunk) => {
    output(chunk)
    if (seen) return
    last += Buffer.from(chunk).toString('latin1')
    seen = last.includes(mark)
    last = last.slice(-mark.length)
    if (seen) setTimeout(usable, run.ready === undefined ? doubt : 0)
  }
}
