import { isResult, type BuildResult } from '../model/build.ts'
import { wholeJson } from '../model/whole-json.ts'

/** How a build ended, from its result.json or its line of the index; undefined where the text is missing, torn or something else. */
export function readResult(text: string | undefined): BuildResult | undefined {
  const result = wholeJson(text)
  return isResult(result) ? result : undefined
}
