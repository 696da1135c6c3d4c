import picomatch from 'picomatch'
import { branchOf, type Request } from '../model/request.ts'

/** A door of the receiver: who may knock, and for what. */
export interface Hook {
  /** Last part of its URL. */
  id: string
  secret: string
  /** Which owner/name it accepts, exact or globs, in any case; all where absent. */
  repositories?: string[] | undefined
  /** Which refs it accepts, exact or globs: the full ref where the pattern starts with `refs/`, otherwise the name of the branch or tag; all where absent. */
  refs?: string[] | undefined
  /** The pipeline that its requests take: `chunks`, `job:<name>` or `file:<path>`. */
  pipeline?: string | undefined
}

/** Says why a request is not wanted by its hook, or undefined where it is. */
export type Doorkeeper = (request: Request) => string | undefined

/** Prepares the hook's globs once; the answer for one request then costs microseconds. */
export function doorkeeper(hook: Hook): Doorkeeper {
  const repositoryWanted = matcher(hook.repositories, { nocase: true })
  const fullRefWanted = matcher(hook.refs?.filter(isFull))
  const branchWanted = matcher(hook.refs?.filter((pattern) => !isFull(pattern)))
  return (request) => {
    const repository = request.full_name ?? request.repository
    if (!repositoryWanted(repository)) return `repository ${repository} is not wanted by hook ${hook.id}`
    // A pull request is wanted for the branch that it goes into.
    const ref = request.pull_request?.base_ref ?? request.ref
    if (fullRefWanted(ref) || branchWanted(branchOf({ ...request, ref }))) return undefined
    return `ref ${ref} is not wanted by hook ${hook.id}`
  }
}

function matcher(patterns: string[] | undefined, options: picomatch.PicomatchOptions = {}): (text: string) => boolean {
  if (patterns === undefined) return () => true
  return patterns.length === 0 ? () => false : picomatch(patterns, { dot: true, nonegate: true, ...options })
}

function isFull(pattern: string): boolean {
  return pattern.startsWith('refs/')
}
