import { join } from 'node:path'
import * as v from 'valibot'
import type { ExecutorName } from '../model/plan.ts'
import { wholeNumber } from '../model/setting.ts'
import type { ContainerSettings } from './container.ts'
import type { Executor } from './executor.ts'
import { openShell } from './shell.ts'
import type { TreeKillSetting } from './tree-killer.ts'

/** Settings of the executors in environment.sh. */
export const executorEnvironment = {
  /** `group` where builds need sudo or su, which namespaces of an ordinary user disable; daemons may then outlive their run. */
  TREE_KILL: v.optional(v.picklist(['auto', 'group']), 'auto'),
  /** MiB of disk that the workspaces of a build may take together. */
  WORKSPACE_LIMIT: v.optional(wholeNumber({ min: 1, max: 1_000_000_000 }), '65536'),
  /** Which command line drives containers; auto takes podman, else docker. */
  ENGINE: v.optional(v.picklist(['auto', 'podman', 'docker']), 'auto'),
  /** Options before every command of the engine, separated by blanks. */
  ENGINE_OPTIONS: v.optional(v.string(), ''),
  /** Whether images that are not here are fetched. */
  CONTAINER_PULL: v.optional(v.picklist(['missing', 'never']), 'missing'),
  /** Who runs inside a container: `auto` for a user that owns nothing, or a user of the image. */
  CONTAINER_USER: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/, 'expected auto, a user, or user:group')), 'auto'),
}

export interface ExecutorSettings {
  treeKill: TreeKillSetting
  /** Host directories that isolated runs may not see: Quern's home and checkout. */
  hidden: string[]
  container: ContainerSettings
}

type ExecutorEnvironment = v.InferOutput<v.ObjectSchema<typeof executorEnvironment, undefined>>

/** Variables of the builder's own environment that an engine's command line needs; a run gets none of them. */
const engineVariables = ['PATH', 'HOME', 'USER', 'TMPDIR', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'DBUS_SESSION_BUS_ADDRESS', 'DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY', 'CONTAINER_HOST', 'CONTAINER_SSHKEY', 'CONTAINERS_CONF', 'REGISTRY_AUTH_FILE', 'SSH_AUTH_SOCK', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']

/** The settings as environment.sh gives them; `environment` is the builder's own. */
export function executorSettings(given: ExecutorEnvironment, { hidden, environment, home }: { hidden: string[]; environment: Record<string, string | undefined>; home: string }): ExecutorSettings {
  const engineEnvironment = Object.fromEntries(engineVariables.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])))
  const container: ContainerSettings = {
    engine: given.ENGINE,
    engineOptions: given.ENGINE_OPTIONS.split(/\s+/).filter(Boolean),
    engineEnvironment,
    left: join(home, 'cache/containers-left'),
    pull: given.CONTAINER_PULL,
    user: given.CONTAINER_USER,
  }
  return { treeKill: given.TREE_KILL, hidden, container }
}

/** The executor of that name. One is opened for each name and used for all runs of a process; `scripted` is opened by tests. */
export async function chooseExecutor(name: ExecutorName, { treeKill, hidden, container }: ExecutorSettings): Promise<Executor> {
  if (name === 'shell') return openShell(treeKill)
  if (name === 'sandbox') return (await import('./sandbox.ts')).openSandbox({ hidden })
  if (name === 'container') return (await import('./container.ts')).openContainer(container)
  throw new Error(`the executor ${name} acts out what a test tells it, and is opened by tests only`)
}
