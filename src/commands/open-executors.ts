import { workDirectory } from '../build/execute/work-directory.ts'
import type { Workshop } from '../build/workshop.ts'
import { installation } from '../config/home.ts'
import { openDiskWatch, type DiskWatch } from '../executor/disk/watch.ts'
import { chooseExecutor, executorSettings, type ExecutorSettings } from '../executor/choose.ts'
import type { ExecutorName } from '../model/plan.ts'
import type { QuernConfig } from './open-config.ts'

/** Makes networks for the runs of builds with services. */
export function networkMaker(config: QuernConfig): Workshop['makeNetwork'] {
  return async (buildId, { executor, inwards, stop }) => {
    if (executor === 'sandbox') return (await import('../executor/network-namespace.ts')).openNetworkNamespace(buildId, { inwards })
    const { createNetwork } = await import('../executor/build-network.ts')
    return createNetwork(buildId, { ...settingsOf(config).container, inwards, stop })
  }
}

export interface Executors {
  executor: Workshop['executor']
  /** For what works in workspaces besides. */
  guardWork: DiskWatch['guardWork']
}

/** Opens each executor of this server when it is first asked for. */
export function openExecutors(config: QuernConfig): Executors {
  const executors = new Map<ExecutorName, ReturnType<typeof chooseExecutor>>()
  const { guard, guardWork } = openDiskWatch({ directory: workDirectory(config.home), limit: config.settings.WORKSPACE_LIMIT * 1024 ** 2 })
  const executor: Workshop['executor'] = async (name) => {
    const opened = executors.get(name) ?? chooseExecutor(name, settingsOf(config)).then(guard)
    executors.set(name, opened)
    return opened
  }
  return { executor, guardWork }
}

/** What the executors of this server are opened with. */
export function settingsOf({ home, settings, environment }: QuernConfig): ExecutorSettings {
  return executorSettings(settings, { hidden: [home, installation()], environment, home })
}
