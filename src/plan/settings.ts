import * as v from 'valibot'
import { list } from '../model/setting.ts'

/** This room's settings in environment.sh. */
export const planEnvironment = {
  /** The refs that may distribute, exactly; without it, every ref that has a distribute chunk, as in amp_ci. */
  DISTRIBUTE_REFS: v.optional(list, ''),
  /** What this host is, for the `host_tag` of containers, besides its architecture. */
  HOST_TAGS: v.optional(list, ''),
}
