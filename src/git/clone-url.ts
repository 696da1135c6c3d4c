import * as v from 'valibot'
import type { Request } from '../model/request.ts'
import { CheckoutError } from './git-error.ts'

/** This room's settings in environment.sh. */
export const gitEnvironment = {
  /** Where repositories lie whose requests name no URL: `<CLONE_BASE>/<repository>.git`. */
  CLONE_BASE: v.optional(v.pipe(v.string(), v.regex(/^$|^(?:https?|ssh|git|file):\/\/|^\/|^[\w.-]+@[\w.-]+:/, 'expected a URL or an absolute path')), ''),
  /** Clone over https or ssh, whatever the request says; empty: as the request says. */
  CLONE_WITH: v.optional(v.picklist(['', 'https', 'ssh'], 'expected https or ssh'), ''),
  /** A token for private clones over https, and the only host that it is sent to. */
  CLONE_TOKEN: v.optional(v.string(), ''),
  CLONE_TOKEN_HOST: v.optional(v.string(), 'github.com'),
}

export interface CloneSettings {
  CLONE_BASE: string
  CLONE_WITH: '' | 'https' | 'ssh'
}

/** The URL that a request is cloned from. @throws {CheckoutError} naming the setting where neither the request nor the settings say */
export function cloneUrl(request: Pick<Request, 'repository' | 'clone_url'>, settings: CloneSettings): string {
  const url = request.clone_url ?? fromBase(request.repository, settings.CLONE_BASE)
  if (settings.CLONE_WITH === 'ssh') return overSsh(url)
  if (settings.CLONE_WITH === 'https') return overHttps(url)
  return url
}

/** The token, where the URL is one that it is meant for: https, and its own host. */
export function cloneToken(url: string, settings: { CLONE_TOKEN: string; CLONE_TOKEN_HOST: string }): string | undefined {
  if (settings.CLONE_TOKEN === '' || !url.startsWith('https://')) return undefined
  return new URL(url).host === settings.CLONE_TOKEN_HOST.toLowerCase() ? settings.CLONE_TOKEN : undefined
}

function fromBase(repository: string, base: string): string {
  if (base !== '') return `${base.replace(/\/+$/, '')}/${repository}.git`
  throw new CheckoutError(`the request names no clone_url; set CLONE_BASE in environment.sh, then ${repository} is cloned from <CLONE_BASE>/${repository}.git`)
}

function overSsh(url: string): string {
  const match = /^https?:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+)$/.exec(url)
  return match ? `git@${match[1]}:${match[2]}` : url
}

function overHttps(url: string): string {
  const match = /^(?:ssh:\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/|(?:[^/@:]+@)([^/:]+):\/?)(.+)$/.exec(url)
  return match ? `https://${match[1] ?? match[2]}/${match[3]}` : url
}
