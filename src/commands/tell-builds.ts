import type { Decision, Ledger } from '../ledger/ledger.ts'
import { readableLine } from '../model/readable.ts'
import { isVerdict, statusOf } from '../model/verdict.ts'
import { paint, printLine } from './terminal.ts'
import { statusCell } from './verdict-style.ts'

/** The ledger, telling on the terminal what begins and how it ends. */
export function tellBuilds(ledger: Ledger): Ledger {
  return {
    ...ledger,
    decide(...decisions) {
      ledger.decide(...decisions)
      for (const decision of decisions) if (decision.build !== undefined) tell(decision)
    },
  }
}

function tell({ decision, build, repository, ref, reason }: Decision): void {
  if (decision === 'building') return printLine(`${paint('dim', '…')} ${build} ${readableLine([repository, ref].join(' '))}`)
  if (!isVerdict(decision)) return
  const { text, style } = statusCell(statusOf(decision))
  printLine(`${style === undefined ? text : paint(style, text)} ${build}${decision === 'passed' ? '' : `: ${readableLine(reason)}`}`)
}
