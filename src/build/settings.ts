import * as v from 'valibot'
import { longestTimeout } from '../model/plan.ts'
import { list, wholeNumber } from '../model/setting.ts'

const variableName = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected names of environment variables, with blanks between'))

/** What environment.sh says to the builder. */
export const buildEnvironment = {
  /** Builds at a time, where --threads does not say. */
  THREADS: v.optional(wholeNumber({ min: 1, max: 256 }), '1'),
  /** Minutes after which a build is ended. */
  BUILD_TIMEOUT: v.optional(wholeNumber({ min: 1, max: longestTimeout }), '60'),
  /** Minutes that an untrusted build may work in all. */
  UNTRUSTED_TIMEOUT: v.optional(wholeNumber({ min: 1, max: longestTimeout }), '360'),
  /** MiB of output and artifacts that are kept of an untrusted build in all. */
  UNTRUSTED_OUTPUT: v.optional(wholeNumber({ min: 1, max: 10_000_000 }), '4096'),
  /** Names of variables that jobs get besides the fixed ones (law 9). */
  BUILD_ENV: v.optional(v.pipe(list, v.array(variableName)), ''),
  /** MiB of artifacts that are kept of one run. */
  ARTIFACT_LIMIT: v.optional(wholeNumber({ min: 1, max: 10_000_000 }), '1024'),
  /** MiB of a run's output that are kept; of longer output its beginning and its end. */
  LOG_LIMIT: v.optional(wholeNumber({ min: 2, max: 10_000_000 }), '1024'),
  /** `auto`: a failure is compared with the parent before anybody is mailed; script chunks mail at once. `never`: every failure mails, at once. */
  BLAME: v.optional(v.picklist(['auto', 'never']), 'auto'),
  /** `1`: a failed run is tried once more before it is blamed. */
  BLAME_RETRY: v.optional(v.picklist(['0', '1']), '1'),
  /** For private clones over https; handed to git by GIT_ASKPASS. */
  CLONE_TOKEN: v.optional(v.pipe(v.string(), v.regex(/^\S+$/, 'expected a token without blanks'))),
}
