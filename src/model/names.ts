import { createHash } from 'node:crypto'

/** Whether the name may stand in a path as it is. `~` is kept for joining owner and repository. */
const safe = /^[A-Za-z0-9_][A-Za-z0-9_.,=+@ -]{0,99}$/

/**
 * A directory name for what people named freely (a job, a run): the name itself where it is safe, otherwise its safe
 * part and a hash, so that two names never share a directory and none leaves its place.
 */
export function directoryName(name: string): string {
  if (safe.test(name) && !name.endsWith(' ') && !name.endsWith('.')) return name
  const readable = name.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9_]+/, '').slice(0, 60)
  return `${readable}~${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
}

/** The record's directory for a repository: `<owner>~<repo>`, or `<repo>` where no owner is known. */
export function repositoryDirectory({ repository, full_name: fullName }: { repository: string; full_name?: string | undefined }): string {
  return fullName === undefined ? repository : fullName.replaceAll('/', '~')
}

/** The record's directory for a job definition: `<job>`, or `<group>~<job>`; safe whatever the name. */
export function jobDirectory(job: string): string {
  const joined = job.split('/').map(directoryName).join('~')
  return joined.length <= 150 ? joined : directoryName(job)
}
