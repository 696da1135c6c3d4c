import { readableLine } from '../model/readable.ts'
import type { Series } from '../model/request.ts'
import type { PatchworkClient } from './client.ts'

/** The mail of each patch by the patch's id: bytes, since a mail has no one charset; quoted as an mbox of the form mboxrd asks for. */
export type Mails = ReadonlyMap<number, Buffer>

type Reader = Pick<PatchworkClient, 'seriesMbox' | 'patchMbox' | 'patch' | 'cover'>

/**
 * Fetches the mails of a series: in one request where the server's mbox holds exactly the patches that we know of, else
 * one by one, since an mbox has no real borders (a mail may quote another one) and an incomplete series has gaps.
 * @throws {PatchworkError}
 */
export async function fetchMails(client: Reader, { id, patches }: Series, signal?: AbortSignal): Promise<Mails> {
  const parts = splitMbox(await client.seriesMbox(id, signal))
  const expected = patches.map((patch) => patch.id)
  if (parts.size === expected.length && expected.every((patch) => parts.has(patch))) return parts
  const mails = new Map<number, Buffer>()
  for (const patch of expected) mails.set(patch, readied(await client.patchMbox(patch, signal)))
  return mails
}

/** The mails of an mbox as Patchwork writes it, by the header X-Patchwork-Id; a line that looks like a border, with no such header below it, is a mail's own. */
function splitMbox(mbox: Buffer): Map<number, Buffer> {
  const mails = new Map<number, string>()
  let last: number | undefined
  for (const part of mbox.toString('latin1').split(/^(?=From patchwork \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n)/m)) {
    const id = /^X-Patchwork-Id: (\d+)$/m.exec(headOf(part))?.[1]
    if (id !== undefined) mails.set((last = Number(id)), part)
    else if (last !== undefined) mails.set(last, mails.get(last)! + part)
  }
  return new Map([...mails].map(([id, mail]) => [id, readied(Buffer.from(mail, 'latin1'))]))
}

/** A mail of the server as git reads it. */
function readied(mail: Buffer): Buffer {
  return quoted(withKnownCharsets(mail))
}

/**
 * Patchwork writes the words of a head anew by Python, which names some charsets as nobody else does, and those bytes that
 * were in none unknown-8bit. Git takes no mail with a charset that it does not know. https://github.com/python/cpython/blob/v3.12.0/Lib/email/charset.py
 */
const charsets: ReadonlyMap<string, string> = new Map([['eucgb2312_cn', 'gb2312'], ['big5_tw', 'big5'], ['unknown-8bit', 'utf-8']])

function withKnownCharsets(mail: Buffer): Buffer {
  const text = mail.toString('latin1')
  const head = headOf(text)
  const known = head.replace(/=\?([A-Za-z0-9_-]+)(?=\?[bq]\?)/gi, (_, charset: string) => `=?${charsets.get(charset.toLowerCase()) ?? charset}`)
  return known === head ? mail : Buffer.from(known + text.slice(head.length), 'latin1')
}

/**
 * Quotes the lines of a mail that would begin another one to git, as mboxrd does, which git undoes. Not the first line of
 * what git format-patch wrote, with its head below it: that is a patch sent as a file.
 */
function quoted(mail: Buffer): Buffer {
  return Buffer.from(mail.toString('latin1').replace(/\n(?=>*From )(?!From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\n[A-Za-z-]+: )/g, '\n>'), 'latin1')
}

/** Whether git makes one commit of this mail: it is a single mail to git, too, and has a diff. */
export function holdsOnePatch(mail: Buffer): boolean {
  const text = mail.toString('latin1')
  return text.match(/^From /gm)?.length === 1 && /^diff --git /m.test(text)
}

/** All that the sender wrote: the cover letter, where there is one, and the mails. */
export async function wordsOf(client: Reader, series: Series, { mails, signal }: { mails: Mails; signal: AbortSignal | undefined }): Promise<string[]> {
  const cover = series.cover === undefined ? '' : await client.cover(series.cover.id, signal)
  return [cover, ...[...mails.values()].map((mail) => mail.toString('utf8'))]
}

/** The commit that the sender says the series is based on: https://git-scm.com/docs/git-format-patch#_base_tree_information */
export function baseCommitIn(words: string[]): string | undefined {
  return firstMatch(words, /^base-commit: ([0-9a-f]{40}(?:[0-9a-f]{24})?)\s*$/m)
}

/** What the sender says has to be applied before, which is not done: https://github.com/getpatchwork/patchwork/issues/583 */
export function dependencyIn(words: string[]): string | undefined {
  const named = firstMatch(words, /^Depends-on:[ \t]*(\S.{0,149})/im)
  return named === undefined ? undefined : readableLine(named)
}

function firstMatch(texts: string[], pattern: RegExp): string | undefined {
  return texts.map((text) => pattern.exec(text)?.[1]).find((match) => match !== undefined)
}

/**
 * The mail with the diff as the server's API keeps it, or undefined where it is the same as the mail's own: in the mbox
 * carriage returns are lost. The head of the mail says who wrote it and when.
 */
export async function mailWithDiff(client: Reader, patch: number, { mail, signal }: { mail: Buffer; signal: AbortSignal | undefined }): Promise<Buffer | undefined> {
  const { content, diff } = await client.patch(patch, signal)
  if (diff === null || mail.includes(diff.trimEnd())) return undefined
  return quoted(Buffer.concat([Buffer.from(`${headOf(mail.toString('latin1'))}\n\n`, 'latin1'), Buffer.from(`${content ?? ''}\n\n${diff}`)]))
}

function headOf(mail: string): string {
  return mail.slice(0, mail.indexOf('\n\n'))
}
