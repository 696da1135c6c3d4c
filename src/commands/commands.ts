import type { Command } from 'commander'

/** A command's file exports `define`, which gives it its arguments, options, help and action. */
interface CommandFile {
  define(command: Command): void
}

/** Every command, in the order of --help. The file is loaded only when its command is asked for. */
export const commands: Record<string, { summary: string; load(): Promise<CommandFile> }> = {
  init: { summary: 'make a home: the directory with settings, queue and records', load: () => import('./init.ts') },
  serve: { summary: 'receive signed webhooks until stopped', load: () => import('./serve.ts') },
  build: { summary: 'build what waits in the queue, then end (cron starts it each minute)', load: () => import('./build.ts') },
  poll: { summary: 'ask Patchwork for mailed series and queue them', load: () => import('./poll.ts') },
  run: { summary: 'run the pipeline of a work tree here, as it stands', load: () => import('./run.ts') },
  'install-hook': { summary: 'run the pipeline before every push of a repository', load: () => import('./install-hook.ts') },
  push: { summary: 'tell the receiver, signed, that a local repository was pushed', load: () => import('./push.ts') },
  start: { summary: 'start a job of job-defs, in chosen containers with chosen parameters', load: () => import('./start.ts') },
  plan: { summary: 'show what would be built for a request and why, running nothing', load: () => import('./plan.ts') },
  lint: { summary: 'check every job definition and script chunk', load: () => import('./lint.ts') },
  sync: { summary: 'bring job-defs, a git clone, up to date', load: () => import('./sync.ts') },
  queue: { summary: 'what waits and what is being built', load: () => import('./queue.ts') },
  builds: { summary: 'what runs, and how the newest builds ended', load: () => import('./builds.ts') },
  show: { summary: 'one build: verdict, runs, the end of its log', load: () => import('./show.ts') },
  why: { summary: 'what was decided about a commit, delivery, entry or build, and why', load: () => import('./why.ts') },
  retry: { summary: 'put the request of a build into the queue again', load: () => import('./retry.ts') },
  cancel: { summary: 'end a build, or drop an entry that waits', load: () => import('./cancel.ts') },
  prune: { summary: 'remove the records that retention does not keep', load: () => import('./prune.ts') },
  secrets: { summary: 'make, set, list and read secrets that are kept encrypted', load: () => import('./secrets.ts') },
  doctor: { summary: 'what stops Quern from working, and the remedy', load: () => import('./doctor.ts') },
  logs: { summary: 'what the receiver and the builder did, for people', load: () => import('./logs.ts') },
}
