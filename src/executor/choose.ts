import * as v from 'valibot'
import type { ExecutorName } from '../model/plan.ts'
import type { Executor } from './executor.ts'
import { openShell } from './shell.ts'

/** Settings of the executors in environment.sh. */
export const executorEnvironment = {
  /** `group` where builds need sudo or su, which namespaces of an ordinary user disable; daemons may then outlive their run. */
  TREE_KILL: v.optional(v.picklist(['auto', 'group']), 'auto'),
}

export type ExecutorSettings = { treeKill: 'auto' | 'group' }

/** The executor of that name. One is opened for each name and used for all runs of a process. */
export function chooseExecutor(name: ExecutorName, settings: ExecutorSettings): Executor {
  if (name === 'shell') return openShell(settings.treeKill)
  throw new Error(`the executor ${name} does not exist`)
}
