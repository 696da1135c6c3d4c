import * as v from 'valibot'
import { withoutPassword } from '../model/request.ts'
import { sourceName } from './source-name.ts'

const webAddress = v.pipe(v.string(), v.check(isWebAddress, 'expected the address of a Patchwork server, like https://patchwork.example.org'))
const pipeline = v.pipe(v.string(), v.regex(/^(?:chunks|(?:job|file):.{1,200})$/, 'expected chunks, job:<name> or file:<path>'))
const positive = v.pipe(v.number(), v.minValue(0))

/** One project of one server, as quern.yaml's `patchwork:` lists them. */
const patchworkSourceSchema = v.strictObject({
  url: webAddress,
  /** The project's link name, as in the server's addresses. */
  project: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,100}$/, "expected the project's link name, as in /project/<name>/list/")),
  /** The name in environment.sh that holds the token for posting; reading needs none. */
  token_env: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable in environment.sh'))),
  /** Where the repository is cloned from that the patches apply to. */
  tree: v.pipe(v.string(), v.maxLength(2000), withoutPassword),
  branch: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][A-Za-z0-9_./+-]{0,200}$/, 'expected the name of a branch')), 'master'),
  pipelines: v.pipe(v.array(pipeline), v.minLength(1, 'expected at least one pipeline')),
  /** Build every patch in order, or only the last. */
  each_patch: v.optional(v.boolean(), true),
  /** Paths and globs whose changes are left out, like Changelog. */
  exclude: v.optional(v.array(v.pipe(v.string(), v.regex(/^[^\p{Cc}-][^\p{Cc}]*$/u, 'expected a path or a glob')))),
  mail: v.optional(
    v.strictObject({
      from: v.optional(v.string()),
      /** The address of the list where its members follow what CI says. */
      cc: v.optional(v.string()),
      /** Answer the author in the thread. */
      reply: v.optional(v.boolean(), false),
      /** Mail also what does not apply. */
      not_applied: v.optional(v.boolean(), false),
      /** Minutes after which the reply leaves although another pipeline of the series is not decided. */
      wait: v.optional(v.pipe(positive, v.maxValue(7 * 24 * 60, 'expected at most a week: 10080')), 360),
    }),
  ),
  /** Post nothing and mail MAIL_ADMIN only. */
  rehearse: v.optional(v.boolean(), false),
  /** Minutes that a series may lack parts before it is decided. */
  incomplete_after: v.optional(positive, 120),
  /** Hours after which a series that was not seen, because nobody polled, is no longer worth a build. */
  expire_after: v.optional(positive, 72),
  /** Requests a second to this server, at most. */
  pace: v.optional(v.pipe(v.number(), v.gtValue(0)), 5),
  /** Checks of commit messages, see docs/patchwork.md; none by default. */
  commit_message: v.optional(v.array(v.picklist(['subject_length', 'area', 'blank_line', 'signed_off_by', 'trailing_stop', 'empty_body', 'line_length'])), []),
})
export type PatchworkSource = v.InferOutput<typeof patchworkSourceSchema>

/** The key `patchwork` of quern.yaml. */
export const patchworkSchema = v.optional(v.pipe(v.array(patchworkSourceSchema), v.check(areDifferent, 'expected each project of a server once: what was seen of it is remembered once, so that a second one would find nothing new; name all pipelines in the first')), [])

function areDifferent(sources: PatchworkSource[]): boolean {
  return new Set(sources.map(({ url, project }) => sourceName(url, project))).size === sources.length
}

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return (protocol === 'https:' || protocol === 'http:') && username + password + search + hash === ''
}
