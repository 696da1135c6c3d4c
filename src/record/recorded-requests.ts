import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { buildName } from '../model/build.ts'
import type { Request } from '../model/request.ts'
import { wholeJson } from '../model/whole-json.ts'
import { pipelines } from './build-index.ts'

/** What each build that has a record was asked for; what a dead builder left half written is passed over. */
export function* recordedRequests(home: string): Generator<{ build: string; request: Request }> {
  for (const pipeline of pipelines(home)) {
    for (const name of readdirSync(join(home, 'builds', pipeline)).filter((one) => /^[1-9]\d*$/.test(one))) {
      const request = wholeJson(readIfThere(join(home, 'builds', pipeline, name, 'request.json'))) as Request | null | undefined
      if (request) yield { build: buildName({ pipeline, number: Number(name) }), request }
    }
  }
}
