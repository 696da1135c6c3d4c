import { readdirSync, readFileSync } from 'node:fs'
import { homeId } from '../../src/build/world.ts'

/** Processes of this home's runs that live: by the mark in their environment, or by their working directory. */
export function processesMarked(home: string): string[] {
  const mark = `QUERN_RUN=${homeId(home)}/`
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
      } catch {
        return false
      }
    })
    .map((pid) => `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`)
}
