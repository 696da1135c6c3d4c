import { type Dirent, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildResult } from '../../src/model/build.ts'
import type { Request } from '../../src/model/request.ts'
import type { Mailbox } from './mailbox.ts'

interface Books {
  counts: Record<string, number>
  /** Sentences; none when every promise was kept. */
  faults: string[]
}

/**
 * Balances a home after the storm: every accepted delivery has exactly one decided build, nothing is half done, no file
 * is torn, no process of a run is left, and each mail counts once by its Message-ID.
 */
export function balance({ home, accepted, mailbox }: { home: string; accepted: Set<string>; mailbox: Mailbox }): Books {
  const faults: string[] = []
  const builds = readBuilds(home, faults)
  const buildsOf = new Map<string, number>()
  for (const { request } of builds) buildsOf.set(request.delivery ?? '', (buildsOf.get(request.delivery ?? '') ?? 0) + 1)
  for (const id of accepted) if (buildsOf.get(id) !== 1) faults.push(`delivery ${id} was accepted and has ${buildsOf.get(id) ?? 0} decided builds`)
  for (const [id, number] of buildsOf) if (number > 1) faults.push(`delivery ${id} has ${number} builds`)
  for (const place of ['queue', 'queue/low', 'queue/claimed', 'outbox']) {
    for (const name of files(join(home, place))) faults.push(`${place}/${name} is left`)
  }
  // With one link it was never promised to anybody; the repair deletes it when it is an hour old.
  for (const name of files(join(home, 'queue/tmp'))) if (lstatSync(join(home, 'queue/tmp', name)).nlink > 1) faults.push(`queue/tmp/${name} is left, and has a delivery`)
  const processes = processesOf(home)
  for (const found of processes) faults.push(`a process is left: ${found}`)
  const failed = builds.filter(({ result }) => result.verdict === 'failed')
  const errored = builds.filter(({ result }) => result.verdict === 'errored')
  const distinct = new Set(mailbox.messageIds)
  if (distinct.size !== failed.length + errored.length) faults.push(`${failed.length + errored.length} builds mail somebody, ${distinct.size} different mails came`)
  return {
    counts: { builds: builds.length, failed: failed.length, 'errored after three deaths': errored.length, mails: mailbox.messageIds.length, 'different mails': distinct.size, 'processes left': processes.length },
    faults,
  }
}

function readBuilds(home: string, faults: string[]): { request: Request; result: BuildResult }[] {
  const builds: { request: Request; result: BuildResult }[] = []
  for (const pipeline of directories(join(home, 'builds'))) {
    for (const number of directories(join(home, 'builds', pipeline))) {
      const directory = join(home, 'builds', pipeline, number)
      // A number whose claim was never written down is passed over, and stays empty.
      if (readdirSync(directory).length === 0) continue
      try {
        const status = readFileSync(join(directory, 'status'), 'utf8').trim()
        const result = JSON.parse(readFileSync(join(directory, 'result.json'), 'utf8')) as BuildResult
        if (result.verdict.toUpperCase() !== status) faults.push(`${directory}: status ${status}, result ${result.verdict}`)
        builds.push({ request: JSON.parse(readFileSync(join(directory, 'request.json'), 'utf8')) as Request, result })
      } catch (error) {
        faults.push(`${directory}: ${(error as Error).message}`)
      }
    }
  }
  return builds
}

/** Processes that carry a run's mark and a directory of this home in their environment. */
function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        if (!environment.includes('QUERN_RUN=') || !environment.includes(home) || /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return []
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`]
      } catch {
        return []
      }
    })
}

function files(directory: string): string[] {
  return entriesOf(directory).filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name)
}

function directories(path: string): string[] {
  return entriesOf(path).filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

function entriesOf(directory: string): Dirent[] {
  return existsSync(directory) ? readdirSync(directory, { withFileTypes: true }) : []
}
