import type { RunChoice } from '../model/request.ts'
import { PlanError } from './plan-error.ts'

/**
 * Reads `name=amd64 master,container=ubuntu,params.git_branch=master`. A comma belongs to the value unless a key
 * follows it, so that `params.flags=-O2,-g` is one value.
 * @throws {PlanError} saying what was expected
 */
export function readRunChoice(text: string): RunChoice {
  const params: Record<string, string> = {}
  const choice: RunChoice = { params }
  for (const part of text.split(/,(?=[A-Za-z_][\w.]*=)/)) {
    const [, key, value] = /^(name|container|params\.(?!__proto__=)[A-Za-z_]\w*)=(.*)$/s.exec(part) ?? []
    if (key === undefined || value === undefined) throw new PlanError(`--run: expected name=…, container=… or params.NAME=… with commas between, got ${JSON.stringify(part)}`)
    if (key === 'name' || key === 'container' ? choice[key] !== undefined : Object.hasOwn(params, key.slice('params.'.length))) throw new PlanError(`--run: ${key} stands twice in ${JSON.stringify(text)}`)
    if (key === 'name' || key === 'container') choice[key] = value
    else params[key.slice('params.'.length)] = value
  }
  return choice
}
