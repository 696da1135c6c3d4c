/** A request that the receiver does not accept. The sender reads the reason. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly status: 400 | 401 | 404 | 413 | 415 | 503

  constructor(status: Refusal['status'], reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.status = status
  }
}
