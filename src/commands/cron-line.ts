import { join } from 'node:path'
import { installation } from '../config/home.ts'
import { quoted } from '../executor/environment-file.ts'

/** How this home's quern is called in a shell. */
export function launcherFor(home: string): string {
  return programFor(home, 'bin/quern')
}

/** How a program of the installation is called in a shell to work on this home. */
export function programFor(home: string, program: string): string {
  const path = shellWord(join(installation(), program))
  return home === installation() ? path : `QUERN_HOME=${shellWord(home)} ${path}`
}

/** The crontab line that builds what waits, each minute. cron takes a bare % for a line end. */
export function cronLine(home: string): string {
  return `* * * * * ${launcherFor(home)} build --threads 2`.replaceAll('%', '\\%')
}

/** A path as one word of a shell, bare where it can be. */
export function shellWord(path: string): string {
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(path) ? path : quoted(path)
}
