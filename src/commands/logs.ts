import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { homeDirectory } from '../config/home.ts'
import { orMissing } from '../disk/read.ts'
import { keptLogs } from '../log/open-log.ts'
import { followFile } from './follow-file.ts'
import { openLinePrinter } from './log-lines.ts'
import { requireHome } from './open-home.ts'

interface Options {
  follow?: boolean
  builder?: boolean
  receiver?: boolean
  lines: number
}

/** Milliseconds between two looks at the files when following. */
const interval = 250

export function define(command: Command): void {
  command
    .option('-f, --follow', 'go on with what is written from now on, until Ctrl-C')
    .option('--builder', 'only logs/build.log')
    .option('--receiver', 'only logs/webhook.log')
    .option('-n, --lines <number>', 'how many lines to begin with', wholeNumber, 100)
    .addHelpText('after', '\nExamples:\n  quern logs -f                what receiver and builder do, as they do it\n  quern logs --receiver -n 20  the last twenty requests\n\nThe files hold one JSON object a line; jq reads them too.')
    .action(logs)
}

async function logs({ follow, builder, receiver, lines }: Options): Promise<void> {
  const names = builder === receiver ? ['webhook.log', 'build.log'] : [builder ? 'build.log' : 'webhook.log']
  const home = requireHome(homeDirectory())
  const paths = names.map((name) => join(home, 'logs', name))
  const print = await openLinePrinter()
  // Opened first, so that no line falls between what is shown and what is followed.
  const followed = follow ? paths.map(followFile) : []
  const last = byTime(paths.map((path) => lastLines(path, lines))).slice(-lines)
  for (const line of last) print(line)
  if (last.length === 0 && lines > 0) process.stderr.write(`Nothing has been logged yet in ${paths.join(' and ')}.\n`)
  while (follow) {
    await new Promise((resolve) => setTimeout(resolve, interval))
    for (const line of byTime(followed.map((file) => file.newLines()))) print(line)
  }
}

/** The last lines of a log, oldest first, back into its rotated files as far as needed. */
function lastLines(path: string, count: number): string[] {
  let lines: string[] = []
  for (let age = 0; age <= keptLogs && lines.length < count; age++) {
    const text = orMissing(() => readFileSync(age === 0 ? path : `${path}.${age}`, 'utf8'))
    lines = [...(text ?? '').split('\n').filter((line) => line !== ''), ...lines]
  }
  return count === 0 ? [] : lines.slice(-count)
}

/**
 * Lines of several logs as one, in the order of their times; within a log the order stays, also where the clock stepped back.
 * Joined from the end, so that the newest come last whatever the times before.
 */
function byTime(logs: string[][]): string[] {
  const left = logs.map(timed)
  const joined: string[] = []
  for (;;) {
    const last = left.filter((lines) => lines.length > 0).reduce<Timed[] | undefined>((newest, lines) => (newest !== undefined && newest.at(-1)!.time > lines.at(-1)!.time ? newest : lines), undefined)
    if (last === undefined) return joined.toReversed()
    joined.push(last.pop()!.line)
  }
}

interface Timed {
  line: string
  time: string
}

/** A line without a time has that of the one before. */
function timed(lines: string[]): Timed[] {
  let time = ''
  return lines.map((line) => {
    time = /"time":"([^"]+)"/.exec(line)?.[1] ?? time
    return { line, time }
  })
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}
