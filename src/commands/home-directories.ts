/** The directories of a home, as `quern init` makes them and `quern doctor` looks for them. */
export const homeDirectories = [
  'scripts',
  'job-defs',
  'queue',
  'queue/low',
  'queue/tmp',
  'queue/claimed',
  'queue/bad',
  'builds',
  'outbox',
  'outbox/dead',
  'ledger',
  'ledger/delivery',
  'ledger/done',
  'ledger/series',
  'cache',
  'logs',
]
