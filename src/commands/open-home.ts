import { statSync } from 'node:fs'
import { join } from 'node:path'
import { homeDirectory } from '../config/home.ts'
import { isCode } from '../disk/read.ts'
import { openLedger } from '../ledger/open-ledger.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { openDirectoryQueue } from '../queue/directory.ts'
import type { Queue } from '../queue/queue.ts'
import { openRecords, type Records } from '../record/open-records.ts'
import { shellWord } from './cron-line.ts'
import { UserError } from './user-error.ts'

/** The rooms that hold a home's data. */
export interface Home {
  home: string
  queue: Queue
  ledger: Ledger
  records: Records
}

/** Opens this home's queue, ledger and records. Needs no settings, so that a mistake in them hides nothing. @throws {UserError} where there is none that can be used */
export function openHome(): Home {
  const home = requireHome(homeDirectory())
  try {
    const ledger = openLedger(join(home, 'ledger'))
    return { home, ledger, queue: openDirectoryQueue(home, { ledger }), records: openRecords(home) }
  } catch (error) {
    if (!['EACCES', 'EROFS', 'ENOTDIR', 'EEXIST'].some((code) => isCode(error, code))) throw error
    throw unusable(home, error as Error)
  }
}

/** The home itself, where it is one. A wrong QUERN_HOME must not quietly become a new, empty home. @throws {UserError} where it is none */
export function requireHome(home: string): string {
  try {
    if (statSync(join(home, 'queue'), { throwIfNoEntry: false }) !== undefined) return home
  } catch (error) {
    throw unusable(home, error as Error)
  }
  throw new UserError(`${home} is no Quern home (it has no queue/): make one with quern init, or name another by QUERN_HOME`)
}

/** The rooms of this home, for a command that writes in it. @throws {UserError} as both below */
export function openOwnHome(): Home {
  requireOwnHome(homeDirectory())
  return openHome()
}

/**
 * The home itself, where what is written in it stays its user's. Root may write everywhere, but would run jobs as root, and
 * leave logs and directories in which the user whom cron starts the builder for can write no more. @throws {UserError}
 */
export function requireOwnHome(home: string): string {
  const { uid } = statSync(requireHome(home))
  if (process.getuid?.() === 0 && uid !== 0) throw new UserError(`${home} belongs to user ${uid}, and you are root, who would run jobs as root there and leave files that user ${uid} cannot write: call quern as that user, or give the home to root (chown -R 0 ${shellWord(home)})`)
  return home
}

function unusable(home: string, error: Error): UserError {
  return new UserError(`cannot use the home ${home}: ${error.message}. Run quern as the user to whom the home belongs, or name another home by QUERN_HOME`, { cause: error })
}
