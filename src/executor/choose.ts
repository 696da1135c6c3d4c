import * as v from 'valibot'
import type { ExecutorName } from '../model/plan.ts'
import type { Executor } from './executor.ts'
import { openShell } from './shell.ts'

/** Settings of the executors in environment.sh. */
export const executorEnvironment = {
  /** `group` where builds need sudo or su, which namespaces of an ordinary user disable; daemons may then outlive their run. */
  TREE_KILL: v.optional(v.picklist(['auto', 'group']), 'auto'),
}

export interface ExecutorSettings {
  treeKill: 'auto' | 'group'
  /** Host directories that isolated runs may not see: Quern's home and checkout. */
  hidden: string[]
}

/** The executor of that name. One is opened for each name and used for all runs of a process. */
export async function chooseExecutor(name: ExecutorName, { treeKill, hidden }: ExecutorSettings): Promise<Executor> {
  if (name === 'shell') return openShell(treeKill)
  if (name === 'sandbox') return (await import('./sandbox.ts')).openSandbox({ hidden })
  throw new Error(`the executor ${name} does not exist`)
}
