import type { Decision, Ledger } from '../ledger/ledger.ts'
import { readableLine } from '../model/readable.ts'
import { isVerdict, statusOf } from '../model/verdict.ts'
import { paint, paintCell, printLine } from './terminal.ts'
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
  if (isVerdict(decision)) printLine(`${paintCell(statusCell(statusOf(decision)))} ${build}${decision === 'passed' ? '' : `: ${readableLine(reason)}`}`)
}
