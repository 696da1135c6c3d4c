import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** All processes below this one, children before grandchildren. Empty where the system has no /proc. */
export function descendants(of: number): number[] {
  const children = new Map<number, number[]>()
  for (const pid of allProcesses()) {
    const parent = statusOf(pid)?.parent
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const found = [of]
  for (let next = 0; next < found.length; next += 1) found.push(...(children.get(found[next]!) ?? []))
  return found.slice(1)
}

/**
 * Sends a signal to a process, or with a negative number to a group; one that is gone already is fine. So is one that is
 * not ours to end: below a run of an ordinary user that may use sudo, there are processes of root.
 */
export function send(signal: NodeJS.Signals, pid: number): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/**
 * Kills the processes whose QUERN_RUN is this mark or starts with it and a slash, until a look finds none.
 * What cleared its own environment is not found: namespaces hold such ones, the mark only catches the rest.
 * @returns how many it killed
 */
export async function killMarked(mark: string): Promise<number> {
  const killed = new Set<number>()
  for (let look = 0; look < 100; look += 1) {
    const left = markedProcesses(mark)
    if (left.length === 0) break
    for (const pid of left) {
      killed.add(pid)
      send('SIGKILL', pid)
    }
    await sleep(Math.min(1 + look, 50))
  }
  return killed.size
}

/** Living processes of a run (or of all runs below a mark). Zombies are not alive, and this process is nobody's run. */
export function markedProcesses(mark: string): number[] {
  return allProcesses().filter((pid) => pid !== process.pid && carries(pid, mark) && statusOf(pid)?.state !== 'Z')
}

function carries(pid: number, mark: string): boolean {
  const value = readProcess(pid, 'environ').split('\0').find((entry) => entry.startsWith('QUERN_RUN='))?.slice('QUERN_RUN='.length)
  return value !== undefined && (value === mark || value.startsWith(`${mark}/`))
}

function statusOf(pid: number): { state: string; parent: number } | undefined {
  const text = readProcess(pid, 'stat')
  // The second field is the command in parentheses and may itself hold blanks and parentheses: proc(5).
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state ? { state, parent: Number(parent) } : undefined
}

function allProcesses(): number[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
  } catch {
    return []
  }
}

/** Text of a file in /proc/<pid>; empty where the process has gone or is not ours to read. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
