import { createHash } from 'node:crypto'
import type { Plan, PlannedRun } from '../../model/plan.ts'
import { withoutValues } from './reusable.ts'
import type { Workshop } from '../workshop.ts'

/** What a verdict depends on besides the planned run. */
export interface Circumstances extends Pick<Workshop, 'world' | 'limits' | 'toolchain'> {
  /** Id of the tested commit's tree. */
  tree: string
  /** Verdicts of untrusted requests answer none that is trusted, nor the other way round. */
  trusted: boolean
}

/**
 * The keys under which the verdicts of a plan's runs are stored: SHA-256 of all that they depend on. A run is missing
 * where its toolchain is not known, like that of an image that is not here yet, and so are those that need it.
 */
export async function verdictKeys({ runs }: Plan, circumstances: Circumstances): Promise<Map<string, string>> {
  const byName = new Map(runs.map((run) => [run.name, run]))
  const keys = new Map<string, Promise<string | undefined>>()
  const keyOf = (name: string): Promise<string | undefined> => {
    const key = keys.get(name) ?? makeKey(byName.get(name)!, { ...circumstances, toolchain }, keyOf)
    keys.set(name, key)
    return key
  }
  const tools = new Map<string, Promise<string | undefined>>()
  const toolchain: Circumstances['toolchain'] = (run) => {
    const name = JSON.stringify([run.executor, run.image])
    const known = tools.get(name) ?? circumstances.toolchain(run)
    tools.set(name, known)
    return known
  }
  const found = await Promise.all(runs.map(async ({ name }) => [name, await keyOf(name)] as const))
  return new Map(found.filter((pair): pair is [string, string] => pair[1] !== undefined))
}

async function makeKey(run: PlannedRun, { tree, trusted, world, limits, toolchain }: Circumstances, keyOf: (name: string) => Promise<string | undefined>): Promise<string | undefined> {
  const needs = await Promise.all(run.needs.map(keyOf))
  const tools = await toolchain(run)
  if (tools === undefined || needs.includes(undefined)) return undefined
  const { name: _name, job: _job, needs: _needs, reuse: _reuse, closed: _closed, group: _group, patch: _patch, workspace, env, ...planned } = run
  const tests = { ...planned, env: withoutValues(env), workspace: typeof workspace === 'object' ? await keyOf(workspace.from) : workspace }
  return createHash('sha256').update(canonical({ tree, trusted, world, limits, tools, tests, needs: needs.toSorted() })).digest('hex')
}

/** JSON in which equal values are equal texts, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1))) : part,
  )
}
