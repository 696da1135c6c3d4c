import type { Hook } from '../webhook/hook.ts'
import { settleHooks } from '../webhook/settings.ts'
import type { QuernConfig } from './open-config.ts'
import { requireHome } from './open-home.ts'
import { UserError } from './user-error.ts'

/** The hooks of this home. @throws {UserError} where there is none or a secret is missing; where there is no home, naming that */
export function openHooks({ home, structure, environment }: QuernConfig): Hook[] {
  const hooks = settle(structure.hooks, environment)
  if (hooks.length === 0) throw new UserError(`${requireHome(home)} has no hook: set SECRET in its environment.sh, the same as in the forge's webhook settings ("quern init" makes one)`)
  return hooks
}

function settle(...given: Parameters<typeof settleHooks>): Hook[] {
  try {
    return settleHooks(...given)
  } catch (error) {
    throw new UserError((error as Error).message, { cause: error })
  }
}
