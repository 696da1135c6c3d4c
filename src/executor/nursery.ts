import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type Answers, openAnswers } from './answers.ts'
import { type Exit, exitOf } from './ending.ts'
import { findProgram } from './find-program.ts'
import { type OutputSlot, takeOutputSlot } from './output-slot.ts'
import { makeTemporary } from './temporary.ts'
import { killTree } from './watch.ts'

/**
 * A PID namespace that takes in one run after the other. Its process 1 is a small shell, which forks far cheaper than
 * Node with all its memory, and which is spared the programs that make a namespace: with them, short runs cost twice.
 * A run is no less held than in a namespace of its own: whatever it leaves behind, a process or a changed mount, is
 * this nursery's end, and with its process 1 everything in it dies.
 */
export interface Nursery {
  /** The process that Node started; process 1 is its child. */
  readonly first: number
  readonly slot: OutputSlot
  /** Has a program for sh executed in a process of its own, to which descriptors 3 and 4 are open. */
  execute(program: string): Promise<Told>
  /** Whether the next run will find it as it would find a new one. */
  isFresh(): boolean
  /** Ends it with all that is in it, whatever that does, and waits for it. */
  kill(): Promise<Exit>
  /** Lets it end, without its slot; else it ends with us. */
  close(): void
}

/** How a run ended. */
interface Told {
  /** Its exit code; undefined where process 1 ended before it could say so. */
  code: number | undefined
  /** Whether its directory could not be entered. */
  lost: boolean
  /** How the nursery ended, where it did: because the run left processes behind or by a fault, like a fork that failed. */
  end: Exit | undefined
}

/** The processes of a nursery that hold a run, as `Watched` counts them. */
export const holders = 2

/**
 * What process 1 does. Descriptor 3 gives a line for each run and takes the exit code; 4 is the run's program. The
 * subshell of a run is there before it, so that no run waits for a fork. When the run has ended nobody else may be in
 * the namespace; the second look is for zombies, which the other subshell made it reap. The code comes before that: a shell
 * that cannot fork ends, and its own exit code is nobody's.
 * What the shell itself says ("Terminated") is nobody's output, but that it cannot fork at all.
 */
const processOne = `(:) || exit
exec 2>/dev/null
echo ready >&3
while :; do
  (read -r next <&3 && . /proc/self/fd/4)
  code=$?
  if kill -0 -1; then echo "ended $code" >&3; (:); kill -0 -1 && exit; fi
  echo $code >&3 || exit
done`

/**
 * @param mark its QUERN_RUN, by which it is found when a builder has died
 * @throws where it could not be started, with what the programs said
 */
export async function openNursery(prefix: string[], mark: string): Promise<Nursery> {
  const slot = await takeOutputSlot()
  const opened: number[] = []
  let link: Socket | undefined
  try {
    const program = openNameless()
    opened.push(program)
    let programSize = 0
    const child = start(prefix, mark, { slot, program })
    // Without a number it has no pipes either, if descriptors are what is missing.
    if (child.pid === undefined) await exitOf(child)
    const said = (link = child.stdio[3] as Socket)
    const answers = openAnswers(child, said)
    const ready = await answers.next()
    if (ready !== 'ready') throw new Error(slot.takeComplaints() || `${prefix.join(' ')} ended with ${JSON.stringify(ready)}`)
    child.unref()
    said.unref()
    const mounts = openSync(`/proc/${child.pid}/mountinfo`, 'r')
    opened.push(mounts)
    const before = world(mounts)
    return {
      first: child.pid!,
      slot,
      execute: (text) => {
        programSize = overwrite(program, text, programSize)
        said.write('\n')
        return told(answers)
      },
      kill: async () => {
        child.ref()
        killTree(child.pid!, holders)
        for (;;) {
          const answer = await answers.next()
          if (typeof answer === 'object') return answer
        }
      },
      isFresh: () => answers.isOpen() && world(mounts) === before,
      close: () => {
        said.destroy()
        opened.forEach(closeSync)
      },
    }
  } catch (error) {
    link?.destroy()
    slot.close()
    opened.forEach(closeSync)
    throw error
  }
}

async function told(answers: Answers): Promise<Told> {
  const run: Told = { code: undefined, lost: false, end: undefined }
  for (;;) {
    const answer = await answers.next()
    if (typeof answer === 'object') return { ...run, end: answer }
    if (answer === 'lost') run.lost = true
    else if (answer.startsWith('ended ')) run.code = Number(answer.slice('ended '.length))
    else return { ...run, code: Number(answer) }
  }
}

/** In a session of its own, process 1 and its runs share no process group with the programs that hold them: a script's `kill -9 0` stays inside. */
function start(prefix: string[], mark: string, { slot, program }: { slot: OutputSlot; program: number }): ChildProcess {
  const [command, ...options] = [...prefix, findProgram('setsid') ?? 'setsid', findProgram('sh') ?? '/bin/sh', '-c', processOne]
  return spawn(command!, options, { cwd: '/', env: { QUERN_RUN: mark }, detached: true, stdio: ['ignore', slot.descriptor, slot.complaints, 'pipe', program] })
}

/** A file for the programs of its runs: it has no name, because they hold secrets. */
function openNameless(): number {
  const directory = makeTemporary('nursery')
  try {
    return openSync(join(directory, 'program'), 'wx+', 0o600)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The mounts as this process has them now and as the nursery's runs see them: a new nursery would see ours. */
function world(mounts: number): string {
  ours ??= openSync('/proc/self/mountinfo', 'r')
  return readFromStart(ours) + readFromStart(mounts)
}

let ours: number | undefined

const buffer = Buffer.allocUnsafe(64 * 1024)

/** Nothing of the text before stays. Cutting the file costs a journal or a disk much more than writing blanks. */
function overwrite(descriptor: number, text: string, sizeBefore: number): number {
  const bytes = Buffer.alloc(Math.max(Buffer.byteLength(text), sizeBefore), '\n')
  bytes.write(text)
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset, bytes.length - offset, offset)
  return bytes.length
}

function readFromStart(descriptor: number): string {
  let text = ''
  for (let length = 1; length > 0; text += buffer.toString('latin1', 0, length)) length = readSync(descriptor, buffer, 0, buffer.length, text.length)
  return text
}
