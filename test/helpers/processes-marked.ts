import { readdirSync, readFileSync } from 'node:fs'
import { homeId } from '../../src/build/world.ts'

/** Processes of this home's runs that live: by the mark in their environment, or by their working directory. */
export function processesMarked(home: string): string[] {
  const mark = `QUERN_RUN=${homeId(home)}/`
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const marked = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
        return marked ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`] : []
      } catch {
        // It ended while we looked.
        return []
      }
    })
}
