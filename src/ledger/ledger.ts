/** One line of ledger/<date>.jsonl: what was decided about an event, and why. */
export interface Decision {
  /** One word or two: queued, ignored, duplicate, refused, building, passed, failed, errored, cancelled, released, bad, mailed, undeliverable, … */
  decision: string
  /** A sentence. */
  reason: string
  hook?: string | undefined
  delivery?: string | undefined
  /** The webhook's event name, like push. */
  event?: string | undefined
  entry?: string | undefined
  repository?: string | undefined
  ref?: string | undefined
  commit_id?: string | undefined
  /** `<pipeline>/<number>` */
  build?: string | undefined
}

/** A decision with the time when it was made. */
export type Dated = Decision & { at: string }

export interface Ledger {
  /** Appends the decisions under today's date (UTC), with the time, by one write. Never throws: a full disk must not stop a build; the failure goes to the log. */
  decide(...decisions: Decision[]): void
  /** All decisions that name the commit (a prefix of 7 or more digits will do), delivery, entry or build, oldest first. */
  find(key: string): Dated[]
  /** All decisions whose delivery, entry or build is one of the names, oldest first. However many names there are, the ledger is read once. */
  findNamed(names: ReadonlySet<string>): Dated[]
}
