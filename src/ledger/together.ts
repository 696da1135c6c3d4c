import type { Decision, Ledger } from './ledger.ts'

/**
 * Returns a `decide` whose decisions of one moment share a write of the ledger: those of deliveries that became durable
 * together. The write is a microtask, so that it comes before the first answer is on its way.
 */
export function together(decide: Ledger['decide']): (decision: Decision) => void {
  const decisions: Decision[] = []
  return (decision) => {
    if (decisions.push(decision) === 1) queueMicrotask(() => decide(...decisions.splice(0)))
  }
}
