import type { Plan } from '../model/plan.ts'

/** A settled plan, or the reason why there is nothing to build. */
export type Planned = Plan | { ignored: string }
