import type { Workshop } from '../build/workshop.ts'
import { installation } from '../config/home.ts'
import { chooseExecutor, executorSettings } from '../executor/choose.ts'
import type { ExecutorName } from '../model/plan.ts'
import type { QuernConfig } from './open-config.ts'

/** Opens each executor of this server when it is first asked for. */
export function openExecutors({ home, settings, environment }: QuernConfig): Workshop['executor'] {
  const executors = new Map<ExecutorName, ReturnType<typeof chooseExecutor>>()
  return async (name) => {
    const executor = executors.get(name) ?? chooseExecutor(name, executorSettings(settings, { hidden: [home, installation()], environment }))
    executors.set(name, executor)
    return executor
  }
}
