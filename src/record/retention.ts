import * as v from 'valibot'

const most = v.pipe(v.number(), v.integer('expected a whole number'), v.minValue(1, 'expected at least 1'))

/** What is kept of a pipeline's builds. Every rule that is there must be met; without any, everything is kept. */
const rules = {
  /** Days since the build ended. */
  days: v.optional(most),
  /** How many, the newest. */
  builds: v.optional(most),
  /** MiB on disk, of the newest. */
  mebibytes: v.optional(most),
}

/** Rules for `owner/name` or `job:<name>` would be nobody's, and what they were to keep would go by those for all. */
const recorded = v.pipe(
  v.string(),
  v.check((name) => !/^job:|\//.test(name), ({ input }) => `expected its name under builds/, like ${input.replace(/^job:/, '').replaceAll('/', '~')}`),
)

/** The key `retention` of quern.yaml: rules for all pipelines, and instead of these for single ones by their name under builds/. */
export const retentionSchema = v.optional(v.strictObject({ ...rules, pipelines: v.optional(v.record(recorded, v.strictObject(rules)), {}) }), {})

export type RetentionRules = { days?: number | undefined; builds?: number | undefined; mebibytes?: number | undefined }

/** A build that has ended, as retention sees it. Only what a rule asks for is looked at: of 100,000 builds that takes a while. */
export interface Aged {
  number: number
  /** Milliseconds since 1970. */
  ended: () => number
  /** Bytes on disk. */
  bytes: () => number
}

/**
 * The builds of one pipeline that retention removes. The newest build always stays: by it the next number is known, and
 * people see how the pipeline last ended.
 * @param now milliseconds since 1970
 */
export function retired(builds: Aged[], { days, builds: count, mebibytes }: RetentionRules, now: number): Aged[] {
  const newestFirst = builds.toSorted((one, other) => other.number - one.number)
  let bytes = 0
  return newestFirst.filter((build, index) => {
    if (mebibytes !== undefined) bytes += build.bytes()
    if (index === 0) return false
    const tooOld = days !== undefined && now - build.ended() > days * 24 * 60 * 60 * 1000
    return tooOld || (count !== undefined && index >= count) || (mebibytes !== undefined && bytes > mebibytes * 1024 ** 2)
  })
}
