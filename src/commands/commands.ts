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
  push: { summary: 'tell the receiver, signed, that a local repository was pushed', load: () => import('./push.ts') },
  logs: { summary: 'what the receiver and the builder did, for people', load: () => import('./logs.ts') },
}
