import { fileURLToPath } from 'node:url'
import { relative } from 'node:path'

/** A mistake of a pipeline file: its message alone tells what to change, and where. */
export class PipelineMistake extends Error {
  override name = 'PipelineMistake'
}

/** `file:line` of the call of this function, as far as it lies below `root`. */
export function callerOf(callee: (...words: never[]) => unknown, root: string): string | undefined {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, callee)
  return placeIn(holder.stack, root)
}

/** The first `file:line` of a stack that is the project's own: below `root`, and no installed package. */
export function placeIn(stack: string | undefined, root: string): string | undefined {
  for (const line of (stack ?? '').split('\n')) {
    const [, address, number] = /(?:\(|at |^)((?:file:\/\/)?\/[^()]*?):(\d+)(?::\d+)?\)?$/.exec(line.trim()) ?? []
    if (address === undefined) continue
    const path = relative(root, address.startsWith('file:') ? fileURLToPath(address) : address)
    if (!path.startsWith('..') && !path.split('/').includes('node_modules')) return `${path}:${number}`
  }
  return undefined
}
