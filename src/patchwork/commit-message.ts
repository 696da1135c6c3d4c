import type { PatchworkSource } from './settings.ts'

export type CommitMessageRule = PatchworkSource['commit_message'][number]

/** A habit of commit messages that this one does not follow; a warning on the patch. */
export interface MessageWarning {
  /** `commit_msg_<rule>` */
  context: string
  /** What was expected and what came. */
  description: string
}

/** Characters of a subject, and of a line in the text below it. */
const longestSubject = 72
const longestLine = 100

/** What each rule finds wrong in a message, or undefined. */
const rules: Record<CommitMessageRule, (message: Message) => string | undefined> = {
  subject_length: ({ subject }) => (length(subject) > longestSubject ? `the subject has ${length(subject)} characters, expected at most ${longestSubject}` : undefined),
  area: ({ subject }) => (/^(?:[\w./,{}*+-]+(?: ?[&,|] ?[\w./-]+)*: \S|Revert "|Merge )/.test(subject) ? undefined : 'the subject names no area: expected "area: what it does"'),
  blank_line: ({ second }) => (second === undefined || second === '' ? undefined : 'the line after the subject is not blank'),
  signed_off_by: ({ body }) => (/^Signed-off-by: .+ <[^<>\s]+@[^<>\s]+>\s*$/m.test(body) ? undefined : 'there is no Signed-off-by: Name <address>'),
  trailing_stop: ({ subject }) => (/[^.]\.$/.test(subject) ? 'the subject ends in a full stop' : undefined),
  empty_body: ({ body }) => (body.replace(/^[\w-]+-by: .*$/gim, '').trim() === '' ? 'the message says nothing but its subject' : undefined),
  line_length: ({ body }) => tooLong(body),
}

interface Message {
  subject: string
  /** The line after the subject. */
  second: string | undefined
  body: string
}

/** Checks a commit's message by the rules that the source names, in their order. */
export function commitMessageWarnings(message: string, chosen: readonly CommitMessageRule[]): MessageWarning[] {
  const [subject = '', second, ...rest] = message.trimEnd().split('\n')
  const parsed = { subject, second, body: [second ?? '', ...rest].join('\n') }
  return chosen.flatMap((rule) => {
    const description = rules[rule](parsed)
    return description === undefined ? [] : [{ context: `commit_msg_${rule}`, description }]
  })
}

/** Quoted output, links and trailers may be as long as they are. */
function tooLong(body: string): string | undefined {
  const line = body.split('\n').find((text) => length(text) > longestLine && !/^(?:\s|>|[\w-]+: |\S*https?:)/.test(text) && text.includes(' '))
  return line === undefined ? undefined : `a line has ${length(line)} characters, expected at most ${longestLine}`
}

function length(text: string): number {
  return [...text].length
}
