import type { Request } from '../model/request.ts'
import { PlanError } from './plan-error.ts'

export interface CloneSettings {
  /** For entries without a clone_url: `<cloneBase>/<repository>.git` is cloned. */
  cloneBase?: string | undefined
  /** Rewrites the URLs of forges; without it they are taken as they come. */
  cloneWith?: '' | 'https' | 'ssh' | undefined
}

/** The URL that the request's repository is cloned from. @throws {PlanError} naming the setting that is missing */
export function cloneUrlOf(request: Request, { cloneBase = '', cloneWith = '' }: CloneSettings): string {
  if (request.clone_url !== undefined) return rewrite(request.clone_url, cloneWith)
  if (cloneBase === '')
    throw new PlanError(
      `no address to clone ${request.repository} from: the entry has no "clone_url" and CLONE_BASE is not set; ` +
        'set CLONE_BASE in environment.sh, e.g. export CLONE_BASE="https://github.com/OWNER"',
    )
  return rewrite(`${cloneBase.replace(/\/+$/, '')}/${request.repository}.git`, cloneWith)
}

function rewrite(url: string, cloneWith: '' | 'https' | 'ssh'): string {
  if (cloneWith === 'ssh') return url.replace(/^https?:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+?)(?:\.git)?\/?$/, 'git@$1:$2.git')
  if (cloneWith === 'https')
    return url
      .replace(/^ssh:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+?)(?:\.git)?\/?$/, 'https://$1/$2.git')
      .replace(/^[^/@:]+@([^/:]+):\/?(.+?)(?:\.git)?\/?$/, 'https://$1/$2.git')
  return url
}
