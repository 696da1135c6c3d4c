import * as v from 'valibot'

/** A date of the server: local to it, without a zone, with microseconds. Only ever compared with others of its own and sent back. */
export const serverDate = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?$/, 'expected a date like 2026-01-31T12:00:00.123456 without a zone'))

const id = v.pipe(v.number(), v.integer(), v.minValue(1))

/** Names are null where the server could not make one out. */
const name = v.pipe(v.nullable(v.string()), v.transform((text) => text ?? ''))

/** A Message-ID, with its angle brackets. */
const msgid = v.string()

export const projectSchema = v.object({ id, link_name: v.string(), list_email: v.string() })

/** One event about a series: https://patchwork.readthedocs.io/en/latest/usage/overview/#events */
export const seriesEventSchema = v.object({
  id,
  category: v.string(),
  date: serverDate,
  payload: v.object({ series: v.object({ id, name, version: v.number() }) }),
})
export type SeriesEvent = v.InferOutput<typeof seriesEventSchema>

export const seriesAnswerSchema = v.object({
  id,
  name,
  version: v.number(),
  total: v.number(),
  received_total: v.number(),
  received_all: v.boolean(),
  submitter: v.object({ name, email: v.string() }),
  cover_letter: v.nullable(v.object({ id, msgid, name })),
  patches: v.array(v.object({ id, msgid, name })),
})
export type SeriesAnswer = v.InferOutput<typeof seriesAnswerSchema>

export const patchAnswerSchema = v.object({
  id,
  name,
  /** The text before the diff: commit message and statistics. */
  content: v.nullable(v.string()),
  /** Null for a pull request. */
  diff: v.nullable(v.string()),
})
export type PatchAnswer = v.InferOutput<typeof patchAnswerSchema>

export const coverAnswerSchema = v.object({ id, content: v.nullable(v.string()) })

const checkStates = ['pending', 'success', 'warning', 'fail'] as const
export type CheckState = (typeof checkStates)[number]

export const checkAnswerSchema = v.object({
  id,
  state: v.picklist(checkStates),
  context: v.string(),
  target_url: v.nullable(v.string()),
  description: v.nullable(v.string()),
})
export type CheckAnswer = v.InferOutput<typeof checkAnswerSchema>
