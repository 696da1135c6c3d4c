import { readdirSync, readFileSync, statSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { parseYaml, YamlError } from '../yaml/parse-yaml.ts'
import { jobDefinitionSchema, textPlaces, type JobDefinition } from './job-definition.ts'
import { PlanError } from './plan-error.ts'

/** Bytes; a larger file is refused before it is read. */
const largest = 1_000_000

/** Directories below job-defs; deeper ones are not read. */
const deepest = 20

/** What a directory of job definitions holds. */
export interface JobDefinitions {
  definitions: JobDefinition[]
  /** Files that are no job definition, each with a message that names file, line, key and what was expected. */
  problems: string[]
}

/** Reads every `*.yml` below a directory (folders are groups); no directory is no definitions. Mistakes are collected. */
export async function readJobDefinitions(directory: string): Promise<JobDefinitions> {
  const found: JobDefinitions = { definitions: [], problems: [] }
  for (const file of filesBelow(directory, '', found.problems)) {
    try {
      found.definitions.push(await readFile(directory, file))
    } catch (error) {
      if (!(error instanceof YamlError || error instanceof PlanError)) throw error
      found.problems.push(error.message)
    }
  }
  const twice = found.definitions.find((one, index) => found.definitions.findIndex(({ name }) => name === one.name) !== index)
  if (twice) found.problems.push(`${twice.file}: the job ${twice.name} is defined twice, in a .yml and a .yaml file: remove one`)
  return found
}

/** Reads one definition by its name. @throws {PlanError} where there is none, {YamlError} where it has mistakes */
export async function readJobDefinition(directory: string, name: string): Promise<JobDefinition> {
  const file = isJobName(name) ? [`${name}.yml`, `${name}.yaml`].find((path) => orMissing(() => statSync(join(directory, path)))?.isFile()) : undefined
  if (file === undefined) throw new PlanError(`no job ${name}: expected a file ${join(directory, `${name}.yml`)}; "quern lint --json" lists the jobs that there are`)
  return readFile(directory, file)
}

/** Whether the name can only mean a file below the directory of definitions: strangers may choose it. */
function isJobName(name: string): boolean {
  return name.length <= 1000 && !/\p{Cc}/u.test(name) && name.split('/').every((part) => part !== '' && !part.startsWith('.') && Buffer.byteLength(part) < 250)
}

async function readFile(directory: string, file: string): Promise<JobDefinition> {
  const path = join(directory, file)
  const { size } = statSync(path)
  if (size > largest) throw new PlanError(`${path}: expected a job definition of at most ${largest} bytes, it has ${size}`)
  const settings = await parseYaml(readFileSync(path, 'utf8'), path, jobDefinitionSchema, textPlaces)
  return { ...settings, name: file.replace(/\.ya?ml$/, ''), file: path }
}

function filesBelow(directory: string, group: string, problems: string[]): string[] {
  if (group.split('/').length > deepest) {
    problems.push(`${join(directory, group)}: expected at most ${deepest} folders in each other`)
    return []
  }
  const entries = orMissing(() => readdirSync(join(directory, group), { withFileTypes: true })) ?? []
  return entries
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.name.startsWith('.')) return []
      if (entry.isDirectory()) return filesBelow(directory, join(group, entry.name), problems)
      return isDefinition(entry, join(directory, group), problems) ? [join(group, entry.name)] : []
    })
}

function isDefinition(entry: Dirent, directory: string, problems: string[]): boolean {
  if (!/\.ya?ml$/.test(entry.name)) return false
  if (entry.isFile()) return true
  problems.push(`${join(directory, entry.name)}: expected a file of its own; links and other special files are not read`)
  return false
}
