import { runOf } from '../executor/execution-id.ts'
import type { Ending, Executor } from '../executor/executor.ts'
import { readableLine } from '../model/readable.ts'
import { statusOf } from '../model/verdict.ts'
import { paint, paintCell, printLine } from './terminal.ts'
import { statusCell } from './verdict-style.ts'

/** The executor, telling on the terminal what starts and how it ends. */
export function showProgress(executor: Executor): Executor {
  return {
    async execute(execution, signal) {
      const name = readableLine(runOf(execution.id))
      const started = Date.now()
      printLine(`${paint('dim', '…')} ${name}`)
      const ending = await executor.execute(execution, signal)
      printLine(`${endingText(ending)} ${name} ${paint('dim', took(started))}${ending.reason === undefined ? '' : `: ${readableLine(ending.reason)}`}`)
      return ending
    },
  }
}

/** What was stopped is a service that nobody needs any more, or a run that the person ended. */
function endingText({ verdict }: Ending): string {
  return verdict === 'cancelled' ? 'STOPPED' : paintCell(statusCell(statusOf(verdict)))
}

function took(started: number): string {
  const seconds = Math.round((Date.now() - started) / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
