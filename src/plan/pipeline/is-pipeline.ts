import type { Pipeline } from './pipeline.ts'

/** Tells a pipeline from other values, also where two copies of Quern meet. */
export const pipelineMark = Symbol.for('quern.pipeline')

/** Whether a value was made by `pipeline`. */
export function isPipeline(value: unknown): value is Pipeline {
  return typeof value === 'object' && value !== null && pipelineMark in value
}
