import type { Plan, PlannedRun } from '../../model/plan.ts'

/** The runs of these names with all that they need, in the plan's order. Names that the plan does not have are left out. */
export function withNeeds({ runs }: Plan, names: readonly string[]): PlannedRun[] {
  const byName = new Map(runs.map((run) => [run.name, run]))
  const wanted = new Set<string>()
  const add = (name: string) => {
    if (wanted.has(name) || !byName.has(name)) return
    wanted.add(name)
    byName.get(name)!.needs.forEach(add)
  }
  names.forEach(add)
  return runs.filter(({ name }) => wanted.has(name))
}

/** Whether these runs may be executed for blame's sake: neither they nor what they need act on the world or hold secrets. */
export function isComparable(plan: Plan, names: readonly string[]): boolean {
  return withNeeds(plan, names).every((run) => run.deploy !== true && run.engine !== true && run.secrets.length === 0)
}
