import { spawn } from 'node:child_process'

export interface BuilderCommand {
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
}

/**
 * Returns the function that starts the builder, in a session of its own and with nothing of this process open, so that
 * stopping the receiver stops no build. At most one that was started here runs at a time; calls that come meanwhile
 * start one more after it ended, since it may have looked at the queue for the last time already.
 */
export function builderStarter({ command, args, env }: BuilderCommand, onError: (error: Error) => void): () => void {
  let running = false
  let asked = false
  return start

  function start(): void {
    asked = true
    if (running) return
    running = true
    asked = false
    try {
      const builder = spawn(command, args, { env, detached: true, stdio: 'ignore' })
      builder.once('error', failed)
      builder.once('exit', ended)
      builder.unref()
    } catch (error) {
      // Some errors, like ENOMEM, are thrown.
      failed(error as Error)
    }
  }

  function failed(error: Error): void {
    onError(error)
    ended()
  }

  function ended(): void {
    running = false
    if (asked) start()
  }
}
