import type { Workshop } from '../build/workshop.ts'
import type { QuernConfig } from './open-config.ts'

/** Who is told of a finished build, and how. */
export function openReporters(_config: QuernConfig): Workshop['reportsOn'] {
  return async () => []
}
