/** The project's own pipeline file is at fault: its build has failed, with this message. */
export class PipelineError extends Error {
  override name = 'PipelineError'
  /** What the file printed while it was evaluated. */
  readonly printed: string

  constructor(message: string, printed = '', options?: ErrorOptions) {
    super(message, options)
    this.printed = printed
  }
}
