import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { readIfThere } from '../disk/read.ts'
import { makeDirectory, writeAtomically } from '../disk/write.ts'
import { readPrivateFile } from './read-private-file.ts'
import { readSecrets, type Secrets } from './read-secrets.ts'
import { SecretsError } from './secrets-error.ts'
import { environmentName } from './settings.ts'
import { newSops, openSops, type SopsFile } from './sops-file.ts'

/** The two files of an environment: secrets, which may be committed, and the key, which may not. */
export interface EnvironmentFiles {
  file: string
  keyFile: string
}

/** `secrets/<env>.enc` and `secrets/<env>.key` of a directory. @throws {SecretsError} where the name is none */
export function environmentFiles(directory: string, env: string): EnvironmentFiles {
  if (!v.is(environmentName, env)) throw new SecretsError(`expected the name of an environment, of letters, digits, "-" and "_", got ${JSON.stringify(env)}`)
  return { file: join(directory, 'secrets', `${env}.enc`), keyFile: join(directory, 'secrets', `${env}.key`) }
}

/** Opens the file of secrets, or a new one where there is none yet. @throws {SecretsError} where the key is missing or does not fit */
export async function openEnvironment({ file, keyFile }: EnvironmentFiles): Promise<SopsFile> {
  const text = readIfThere(file)
  const key = readKey(keyFile, file)
  return text === undefined ? newSops(key, { file, keyFile }) : openSops(text, key, { file, keyFile })
}

/**
 * This server's own secrets: secrets.yml and secrets/<env>.enc of the home; of a name in both, secrets.yml has the say.
 * Read anew each time, so that a rotated secret serves at once.
 * @throws {SecretsError} where others could read a file, a key is missing or does not fit, or something is wrong in one
 */
export async function readServerSecrets({ home, env }: { home: string; env: string }): Promise<Secrets> {
  const files = environmentFiles(home, env)
  const shared = existsSync(files.file) ? (await openEnvironment(files)).secrets : []
  return new Map([...shared, ...(await readSecrets(home))])
}

/**
 * The secrets that a repository brings along: the text of `secrets/<env>.enc` at the commit, decrypted by the key that
 * this server keeps for that repository alone, `<home>/secrets/<owner>~<repo>/<env>.key`. With one key for all, a
 * repository could copy another's file and read it.
 * @throws {SecretsError} where the key is missing or does not fit
 */
export async function readRepositorySecrets({ home, repository, env, text }: { home: string; repository: string; env: string; text: string }): Promise<Secrets> {
  const keyFile = join(home, 'secrets', repository, `${env}.key`)
  const file = `secrets/${env}.enc of ${repository}`
  return (await openSops(text, readKey(keyFile, file), { file, keyFile })).secrets
}

/** Makes a key, 0600, and has git ignore keys there. Returns the public key. @throws {SecretsError} where there is one already */
export async function makeKey({ keyFile }: EnvironmentFiles): Promise<string> {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
  const directory = makeDirectory(join(keyFile, '..'))
  ignoreKeys(directory)
  const identity = await generateX25519Identity()
  const recipient = await identityToRecipient(identity)
  const text = `# created: ${new Date().toISOString()}\n# public key: ${recipient}\n${identity}\n`
  try {
    writeFileSync(keyFile, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new SecretsError(`${keyFile} is there already; what was encrypted for it could not be read without it, so move it away yourself if you want another`, { cause: error })
  }
  return recipient
}

/** git reads `.gitignore` of the directory itself, so that no other file of the repository has to change. */
function ignoreKeys(directory: string): void {
  const path = join(directory, '.gitignore')
  const text = readIfThere(path) ?? ''
  if (text.split('\n').some((line) => line.trim() === '*.key')) return
  writeAtomically(path, `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}*.key\n`)
}

function readKey(keyFile: string, file: string): string {
  const key = readPrivateFile(keyFile)
  if (key !== undefined) return key
  throw new SecretsError(`${keyFile} is missing, so ${file} cannot be read: copy the key there from whoever has it (chmod 600), or make one for new secrets: quern secrets keygen, with the same --home, --env and -C`)
}
