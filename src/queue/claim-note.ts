import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { readIfThere } from '../disk/read.ts'
import { sync } from '../disk/sync.ts'
import { writeAtomically } from '../disk/write.ts'

export const noteEnding = '.build'

/** claimed/<entry>.build: which build an entry belongs to. It stays while a released entry waits, so that the entry keeps its number. */
const noteSchema = v.object({
  pipeline: v.string(),
  number: v.number(),
  attempt: v.number(),
  deaths: v.number(),
  /** Whether the entry was claimed from queue/low and goes back there. */
  low: v.boolean(),
})
export type ClaimNote = v.InferOutput<typeof noteSchema>

/** The note, or undefined where there is none or a power cut took its content: no process had been started then. */
export function readNote(claimed: string, entry: string): ClaimNote | undefined {
  const text = readIfThere(notePath(claimed, entry))
  if (text === undefined) return undefined
  try {
    return v.parse(noteSchema, JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof v.ValiError) return undefined
    throw error
  }
}

/** Writes the note of a first claim and flushes it on the thread pool; its directory is left to the caller. */
export async function writeFirstNote(claimed: string, entry: string, note: ClaimNote): Promise<void> {
  const descriptor = openSync(notePath(claimed, entry), 'w')
  try {
    writeFileSync(descriptor, noteText(note))
    await sync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Replaces a note: the old one holds the entry's number, so it stays until the new one is whole on disk. */
export function replaceNote(claimed: string, entry: string, note: ClaimNote): void {
  writeAtomically(notePath(claimed, entry), noteText(note), { durable: true })
}

export function removeNote(claimed: string, entry: string): void {
  rmSync(notePath(claimed, entry), { force: true })
}

function noteText(note: ClaimNote): string {
  return `${JSON.stringify(note)}\n`
}

export function notePath(directory: string, entry: string): string {
  return join(directory, `${entry}${noteEnding}`)
}
