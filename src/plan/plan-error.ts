/** A pipeline that cannot be settled: its build is errored, or the command refused, with this message. */
export class PlanError extends Error {
  override name = 'PlanError'
}
