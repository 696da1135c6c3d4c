import * as v from 'valibot'
import { list, wholeNumber } from '../model/setting.ts'
import { mostRuns } from './check-plan.ts'

/** This room's settings in environment.sh. */
export const planEnvironment = {
  /** The refs that may distribute, exactly; without it, every ref that has a distribute chunk, as in amp_ci. */
  DISTRIBUTE_REFS: v.optional(list, ''),
  /** What this host is, for the `host_tag` of containers, besides its architecture. */
  HOST_TAGS: v.optional(list, ''),
  /** Runs in the plan of an untrusted request, those on all patches of a series together. */
  UNTRUSTED_RUNS: v.optional(wholeNumber({ min: 1, max: mostRuns }), '500'),
  /** How pipeline files of trusted requests are evaluated; those of untrusted ones always in the sandbox. */
  PIPELINE_EXECUTOR: v.optional(v.picklist(['sandbox', 'shell'], 'expected sandbox or shell'), 'sandbox'),
  /** Seconds that the evaluation of a pipeline file may take. */
  PIPELINE_TIMEOUT: v.optional(wholeNumber({ min: 1, max: 3600 }), '60'),
}
