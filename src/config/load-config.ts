import { join } from 'node:path'
import * as v from 'valibot'
import { describeIssue } from '../model/issue.ts'
import { parseYaml, YamlError } from '../yaml/parse-yaml.ts'
import { ConfigError } from './config-error.ts'
import { readEnvironmentFile, type EnvironmentFile } from './environment.ts'
import { readHandWritten } from './read-hand-written.ts'

/** What the rooms want to know: entries over the strings of environment.sh, and entries over the top keys of quern.yaml. */
export interface ConfigSchema<Settings extends v.ObjectEntries, Structure extends v.ObjectEntries> {
  settings: Settings
  structure: Structure
}

/** The checked configuration of one home. */
export interface Config<Settings extends v.ObjectEntries, Structure extends v.ObjectEntries> {
  /** The data directory, absolute. */
  home: string
  /** The settings of environment.sh, checked, with their defaults. */
  settings: v.InferOutput<v.ObjectSchema<Settings, undefined>>
  /** quern.yaml, checked; what it holds by default where there is no such file. */
  structure: v.InferOutput<v.StrictObjectSchema<Structure, undefined>>
  /** Every name that is set, in environment.sh (which wins) or in the process: for what names a variable, like BUILD_ENV or `token_env`. */
  environment: Readonly<Record<string, string>>
}

/**
 * Reads environment.sh and quern.yaml of a home and checks both.
 * A name that environment.sh does not set is taken from the process environment; an empty value counts as not set.
 * @throws {ConfigError} naming file, line, setting, what was expected and what came (never the value of a secret)
 */
export async function loadConfig<Settings extends v.ObjectEntries, Structure extends v.ObjectEntries>(
  home: string,
  schema: ConfigSchema<Settings, Structure>,
): Promise<Config<Settings, Structure>> {
  const file = readEnvironmentFile(join(home, 'environment.sh'))
  const environment = { ...process.env, ...file.values } as Record<string, string>
  const settings = checkSettings(environment, schema.settings, (name) => placeOf(name, file, home))
  return { home, settings, structure: await readStructure(home, schema.structure), environment }
}

function checkSettings<Settings extends v.ObjectEntries>(environment: Record<string, string>, entries: Settings, place: (name: string) => string) {
  const given = Object.fromEntries(Object.keys(entries).filter((name) => environment[name]).map((name) => [name, environment[name]]))
  const result = v.safeParse(v.object(entries), given)
  if (result.success) return result.output
  const messages = result.issues.map((issue) => {
    const name = String(issue.path?.[0]?.key)
    return `${place(name)}: ${name}: ${describeIssue(issue, name)}`
  })
  throw new ConfigError(messages.join('\n'))
}

function placeOf(name: string, file: EnvironmentFile, home: string): string {
  const path = join(home, 'environment.sh')
  if (file.lines[name] !== undefined) return `${path}:${file.lines[name]}`
  return process.env[name] ? 'the environment that Quern was started with' : path
}

async function readStructure<Structure extends v.ObjectEntries>(home: string, entries: Structure) {
  const path = join(home, 'quern.yaml')
  const text = readHandWritten(path)
  const schema = v.strictObject(entries)
  // Most homes have none, or only the comments that `quern init` wrote: then the YAML library is not loaded at all.
  if (text === undefined || /^(?:[ \t]*(?:#.*)?(?:\r?\n|$))*$/.test(text)) return v.parse(schema, {})
  try {
    return await parseYaml(text, path, schema)
  } catch (error) {
    if (error instanceof YamlError) throw new ConfigError(error.message, { cause: error })
    throw error
  }
}
