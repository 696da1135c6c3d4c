import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { homeDirectory } from '../config/home.ts'
import { writeAtomically } from '../disk/write.ts'
import { environmentFiles, makeKey, openEnvironment, type EnvironmentFiles } from '../secrets/environment-files.ts'
import { parsePlain, plainText } from '../secrets/plain-secrets.ts'
import { mistakeOf } from '../secrets/read-secrets.ts'
import { shortestSecret } from '../secrets/secret-forms.ts'
import { readSecretInput } from './read-secret-input.ts'
import { printLine } from './terminal.ts'
import { UserError } from './user-error.ts'

interface Options {
  env: string
  home?: boolean
  directory: string
}

export function define(command: Command): void {
  command.addHelpText(
    'after',
    '\nThe secrets lie in secrets/<env>.enc, which may be committed and which sops reads, too; the key in secrets/<env>.key, which may not.\n' +
      '\nExamples:\n  quern secrets keygen            make secrets/ci.key\n  quern secrets set NPM_TOKEN     asks for the value; or from a file: quern secrets set NPM_TOKEN < token\n  quern secrets edit              all of them, in $EDITOR\n' +
      '\nThe server reads its own in its home (--home), and those of a repository by <home>/secrets/<owner>~<repo>/<env>.key.',
  )
  sub(command, 'keygen', 'make the key of an environment and have git ignore it').action(keygen)
  sub(command, 'set', 'set one secret, from the keyboard or stdin').argument('<name>').action(set)
  sub(command, 'get', 'print one secret').argument('<name>').action(get)
  sub(command, 'list', 'the names of the secrets, with --home also who is granted them; no values').option('--json', 'as JSON: a list of {"name"}, with --home {"name", "there", "grants"}').action(list)
  sub(command, 'edit', 'change all secrets in $EDITOR').action(edit)
}

function sub(command: Command, name: string, summary: string): Command {
  return command
    .command(name)
    .description(summary)
    .option('-e, --env <name>', 'the environment, or the developer', 'ci')
    .option('-C, --directory <path>', 'the repository that the secrets are for', '.')
    .option('--home', 'the secrets of this server, in its home')
}

async function keygen(options: Options): Promise<void> {
  const files = filesOf(options)
  const recipient = await makeKey(files)
  printLine(`${files.keyFile} is made; keep a copy in a safe place, and never commit it.\npublic key: ${recipient}`)
}

async function set(name: string, options: Options): Promise<void> {
  const files = filesOf(options)
  const opened = await openEnvironment(files)
  const value = await readSecretInput(`${name}: `)
  const secrets = new Map([...opened.secrets, [name, value]])
  check(name, value)
  save(files, opened.encrypted(secrets))
}

async function get(name: string, options: Options): Promise<void> {
  const files = filesOf(options)
  const { secrets } = await openEnvironment(files)
  const value = secrets.get(name)
  if (value === undefined) throw new UserError(`${files.file} has no secret ${name}; it has ${[...secrets.keys()].join(', ') || 'none'}`)
  printLine(value)
}

async function list({ json = false, ...options }: Options & { json?: boolean }): Promise<void> {
  const { listOfServer, listOwn } = await import('./list-secrets.ts')
  if (options.home) await listOfServer(options.env, json)
  else await listOwn(filesOf(options), json)
}

async function edit(options: Options): Promise<void> {
  const files = filesOf(options)
  const opened = await openEnvironment(files)
  const shown = plainText(opened.secrets)
  const before = parsePlain(shown)
  const secrets = new Map(parsePlain(editedText(shown, basename(files.file))))
  for (const [name, value] of secrets) {
    // What was left alone stays as sops wrote it, also where a line cannot show it (`\n` in two characters) or it is too short for us.
    if (before.get(name) === value) secrets.set(name, opened.secrets.get(name)!)
    else check(name, value)
  }
  save(files, opened.encrypted(secrets))
}

function filesOf({ env, home, directory }: Options): EnvironmentFiles {
  return environmentFiles(home ? homeDirectory() : resolve(directory), env)
}

function check(name: string, value: string): void {
  const mistake = mistakeOf(name, value, new Map())
  if (mistake !== undefined) throw new UserError(mistake)
  if (value.length < shortestSecret) throw new UserError(`the value of ${name} has ${value.length} character${value.length === 1 ? '' : 's'}: one shorter than ${shortestSecret} cannot be masked in logs, so it is no secret`)
}

function save({ file }: EnvironmentFiles, text: string): void {
  writeAtomically(file, text)
}

/** The text as the person left it. It lies in memory where the system has such a directory, readable by this user alone, and is removed in any case. */
function editedText(text: string, name: string): string {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'quern-secrets-'))
  const path = join(directory, name)
  try {
    writeFileSync(path, text, { mode: 0o600 })
    const editor = process.env['VISUAL'] || process.env['EDITOR'] || 'vi'
    // The person's own words; EDITOR may hold options, so a shell takes them apart, as for git.
    const { status, error } = spawnSync('sh', ['-c', `${editor} "$1"`, editor, path], { stdio: 'inherit' })
    if (error !== undefined || status !== 0) throw new UserError(`the editor ${editor} ended with ${status ?? error?.message}: nothing was changed; set EDITOR to one that is installed`)
    return readFileSync(path, 'utf8')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
