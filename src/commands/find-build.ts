import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildName, parseBuildName, type BuildId } from '../model/build.ts'
import { readableLine } from '../model/readable.ts'
import { parseRequest, type Request } from '../model/request.ts'
import type { Home } from './open-home.ts'
import { UserError } from './user-error.ts'

/** The build that a person names as `<pipeline>/<number>`; a path below builds/ will do. @throws {UserError} where there is none */
export function findBuild(home: Home, words: string): BuildId {
  const build = buildNamed(home, words)
  if (build === undefined) throw new UserError(`there is no build ${readableLine(words)}: expected <pipeline>/<number>, as quern builds lists them`)
  return build
}

/** The same, or undefined where there is none. */
export function buildNamed({ home, records }: Home, words: string): BuildId | undefined {
  const below = words.startsWith(`${home}/builds/`) ? words.slice(home.length + '/builds/'.length) : words.replace(/^(?:\.\/)?builds\//, '')
  // A repository's pipeline is kept as owner~name: owner/name is meant, too.
  const build = parseBuildName(below.replace(/\/+$/, '').replace(/\/(?=.*\/)/g, '~'))
  return build !== undefined && !build.pipeline.startsWith('.') && existsSync(records.directory(build)) ? build : undefined
}

/** What the build was asked for, from its record. @throws {UserError} where the record has lost it */
export function requestOf({ records }: Home, build: BuildId): Request {
  const path = join(records.directory(build), 'request.json')
  try {
    return parseRequest(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new UserError(`build ${buildName(build)}: its request cannot be read from ${path}: ${readableLine((error as Error).message)}`, { cause: error })
  }
}
