import type { Status } from '../model/verdict.ts'
import type { Cell } from './terminal.ts'

/** A status word as a cell in its colour: red is the project's fault, magenta ours. */
export function statusCell(status: Status): Cell {
  const style = ({ PASSED: 'green', FAILED: 'red', 'TIMED-OUT': 'red', ERRORED: 'magenta', RUNNING: 'cyan' } as const)[status as string]
  return { text: status, ...(style && { style }) }
}
