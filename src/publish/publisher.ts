/** Carries reports to where people read them. A new publisher is one file and one line in choose.ts. */
export interface Publisher {
  /** Tries once, bounded in time. Never rejects. */
  publish(report: Report): Promise<Outcome>
  /** Where a report goes, if not all go to one place: one that is down does not hold up what goes to another. */
  receiver?(report: Report): string
}

/** `later` keeps the report in the outbox; `refused` is for good and moves it to outbox/dead/; `dropped`: nobody wants it any more. */
export type Outcome = { kind: 'sent' } | { kind: 'later' | 'refused' | 'dropped'; reason: string }

/** A report at rest: written in its build as reports/<id>.json, linked into the outbox until its publisher accepted it. */
export interface Report<Payload = unknown> {
  /** Follows from build and target, so that writing it twice is one report: `email-<hash>`. Letters, digits, "-" and "_" only. */
  id: string
  publisher: string
  /** `<pipeline>/<number>` */
  build: string
  /** ISO 8601, UTC. */
  created: string
  /** It is not to leave before, ISO 8601, UTC. */
  not_before?: string | undefined
  payload: Payload
}
