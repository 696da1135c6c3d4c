import type { Execution } from './executor.ts'

/** The execution with its shared directory visible at that place, and told as $QUERN_SHARED. */
export function showShared(execution: Execution, place: string): Execution {
  const { shared, env, mounts = [] } = execution
  if (shared === undefined) return execution
  return { ...execution, env: { ...env, QUERN_SHARED: place }, mounts: [...mounts, { from: shared, to: place, readonly: false }] }
}
