import * as v from 'valibot'
import { withoutPassword, type Request } from '../model/request.ts'
import { PlanError } from './plan-error.ts'

/** Settings in environment.sh that say where repositories are cloned from. */
export const cloneEnvironment = {
  /** For entries without a clone_url: `<CLONE_BASE>/<repository>.git` is cloned. */
  CLONE_BASE: v.optional(v.pipe(v.string(), v.regex(/^$|^(?:https?|ssh|git|file):\/\/\S+$|^\/\S+$|^[\w.-]+@[\w.-]+:\S*$/, 'expected a URL or an absolute path'), withoutPassword), ''),
  /** Rewrites the URLs of forges; empty takes them as they come. */
  CLONE_WITH: v.optional(v.picklist(['', 'https', 'ssh'], 'expected https or ssh'), ''),
}
export type CloneSettings = v.InferOutput<v.ObjectSchema<typeof cloneEnvironment, undefined>>

/** The URL that the request's repository is cloned from. @throws {PlanError} naming the setting that is missing */
export function cloneUrlOf(request: Request, { CLONE_BASE, CLONE_WITH }: CloneSettings): string {
  if (request.clone_url !== undefined) return rewrite(request.clone_url, CLONE_WITH)
  if (CLONE_BASE === '')
    throw new PlanError(
      `no address to clone ${request.repository} from: the entry has no "clone_url" and CLONE_BASE is not set; ` +
        'set CLONE_BASE in environment.sh, e.g. export CLONE_BASE="https://github.com/OWNER"',
    )
  return rewrite(`${CLONE_BASE.replace(/\/+$/, '')}/${request.repository}.git`, CLONE_WITH)
}

function rewrite(url: string, cloneWith: CloneSettings['CLONE_WITH']): string {
  if (cloneWith === 'ssh') return url.replace(/^https?:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+?)(?:\.git)?\/?$/, 'git@$1:$2.git')
  if (cloneWith === 'https')
    return url
      .replace(/^ssh:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+?)(?:\.git)?\/?$/, 'https://$1/$2.git')
      .replace(/^[^/@:]+@([^/:]+):\/?(.+?)(?:\.git)?\/?$/, 'https://$1/$2.git')
  return url
}
