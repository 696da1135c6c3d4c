import { randomBytes } from 'node:crypto'
import { readableLine } from '../model/readable.ts'
import type { Secrets } from './read-secrets.ts'
import { SecretsError } from './secrets-error.ts'
import { emptySopsDotenv, isSopsDotenv, readSopsDotenv } from './sops-dotenv.ts'
import type { SopsLayout, SopsLeaf } from './sops-layout.ts'
import { decryptValue, encryptValue, isEncrypted, macOf } from './sops-value.ts'
import { readSopsYaml } from './sops-yaml.ts'

/** A decrypted SOPS file. */
export interface SopsFile {
  /** Its top-level values; what is nested deeper is no secret by itself. */
  secrets: Secrets
  /** The file's text with these secrets instead. Unchanged ones keep their ciphertext, so that a diff shows what changed. @throws {SecretsError} where the file has rules of its own */
  encrypted(secrets: Secrets): string
}

/** How messages name the two files. */
interface Paths {
  file: string
  keyFile: string
}

/**
 * Decrypts a file that `sops` wrote for age recipients, dotenv or YAML, and checks that nobody changed it.
 * @param identities the text of an age key file
 * @throws {SecretsError} where it is no such file, the key does not fit, or it was changed
 */
export async function openSops(text: string, identities: string, { file, keyFile }: Paths): Promise<SopsFile> {
  const layout = await takenApart(text, file)
  const key = await dataKey(layout, identities, { file, keyFile })
  const plain = layout.leaves.map((leaf) => ({ ...leaf, encrypted: isEncrypted(leaf.value), ...plainOf(leaf, key, file) }))
  checkMac(layout, { key, file, values: plain.filter(({ encrypted }) => encrypted || !layout.metadata.macOnlyEncrypted).map(({ hashed }) => hashed) })
  const old = new Map(plain.filter(({ nested }) => !nested).map((leaf) => [leaf.path[0]!, leaf]))
  const secrets = new Map([...old].map(([name, { text: value }]) => [name, value]))
  return { secrets, encrypted: (wanted) => encryptAgain(layout, { key, file, old, wanted }) }
}

/** A new file, for the recipient of one key: dotenv, which is the simpler of the two. */
export async function newSops(identities: string, paths: Paths): Promise<SopsFile> {
  const age = await import('age-encryption')
  const encrypter = new age.Encrypter()
  const recipient = await age.identityToRecipient(identitiesOf(identities, paths.keyFile)[0]!)
  encrypter.addRecipient(recipient)
  const key = randomBytes(32)
  const enc = `${age.armor.encode(await encrypter.encrypt(key)).trim()}\n`
  const layout = readSopsDotenv(emptySopsDotenv({ recipient, enc }))
  return { secrets: new Map(), encrypted: (wanted) => encryptAgain(layout, { key, file: paths.file, old: new Map(), wanted }) }
}

async function takenApart(text: string, file: string): Promise<SopsLayout> {
  try {
    return isSopsDotenv(text) ? readSopsDotenv(text) : await readSopsYaml(text)
  } catch (error) {
    throw new SecretsError(`${file}: ${(error as Error).message}`, { cause: error })
  }
}

async function dataKey({ metadata }: SopsLayout, identities: string, { file, keyFile }: Paths): Promise<Uint8Array> {
  if (metadata.rules.includes('key_groups')) throw new SecretsError(`${file} splits its key among groups, which only sops itself puts together: encrypt it for one group of age keys`)
  if (metadata.age.length === 0) throw new SecretsError(`${file} is not encrypted for an age key: encrypt it by sops --encrypt --age <public key>`)
  const age = await import('age-encryption')
  const decrypter = new age.Decrypter()
  for (const identity of identitiesOf(identities, keyFile)) addIdentity(() => decrypter.addIdentity(identity), keyFile)
  for (const { enc } of metadata.age) {
    // That one recipient is not ours is no error: another may be.
    const key = await decrypter.decrypt(armoured(() => age.armor.decode(enc), file)).catch(() => undefined)
    if (key !== undefined) return key
  }
  const recipients = metadata.age.map(({ recipient }) => readableLine(recipient)).join(', ')
  throw new SecretsError(`${keyFile} does not fit ${file}, which is encrypted for ${recipients}: put the key of one of these there, or add its public key by sops updatekeys`)
}

function addIdentity(add: () => void, keyFile: string): void {
  try {
    add()
  } catch {
    // The library's message would repeat the key.
    throw new SecretsError(`${keyFile}: the line AGE-SECRET-KEY-1… is damaged: copy the file again`)
  }
}

function armoured(decode: () => Uint8Array, file: string): Uint8Array {
  try {
    return decode()
  } catch (error) {
    throw new SecretsError(`${file}: the encrypted data key is damaged: restore the file`, { cause: error })
  }
}

function identitiesOf(text: string, keyFile: string): string[] {
  const identities = text.split('\n').map((line) => line.trim()).filter((line) => line.startsWith('AGE-SECRET-KEY-'))
  if (identities.length === 0) throw new SecretsError(`${keyFile}: expected an age key, a line AGE-SECRET-KEY-1…: quern secrets keygen makes one`)
  return identities
}

/** https://getsops.io/docs/#message-authentication-code */
function checkMac({ metadata }: SopsLayout, { key, file, values }: { key: Uint8Array; file: string; values: string[] }): void {
  const expected = macOf(values, { onlyEncrypted: metadata.macOnlyEncrypted })
  if (decryptedOrUndefined(metadata.mac, key, metadata.lastmodified)?.text === expected) return
  throw new SecretsError(`${file} was changed by something other than sops: its MAC does not fit its values; restore it, or set the secrets again`)
}

/** A value in clear text, and as the MAC counts it: SOPS writes truth with a capital letter there. */
interface Plain {
  text: string
  hashed: string
}

function plainOf({ path, value, hashed }: SopsLeaf, key: Uint8Array, file: string): Plain {
  if (!isEncrypted(value)) return { text: value, hashed: hashed ?? value }
  const plain = decryptedOrUndefined(value, key, placeOf(path))
  if (plain === undefined) throw new SecretsError(`${file}: ${readableLine(path.join('.'))} was changed by something other than sops: restore it, or set it again`)
  // Among the items of a list, SOPS keeps comments as if they were values.
  if (plain.type === 'comment') return { text: plain.text, hashed: '' }
  if (plain.type !== 'bool') return { text: plain.text, hashed: plain.text }
  const text = plain.text.toLowerCase()
  return { text, hashed: text === 'true' ? 'True' : 'False' }
}

function decryptedOrUndefined(value: string, key: Uint8Array, place: string): { text: string; type: string } | undefined {
  if (!isEncrypted(value)) return undefined
  try {
    return decryptValue(value, key, place)
  } catch {
    // A value that does not fit its key or place says no more than that.
    return undefined
  }
}

function placeOf(path: string[]): string {
  return `${path.join(':')}:`
}

interface Change {
  key: Uint8Array
  file: string
  old: ReadonlyMap<string, Plain>
  wanted: Secrets
}

function encryptAgain(layout: SopsLayout, { key, file, old, wanted }: Change): string {
  const { metadata } = layout
  const nested = layout.leaves.some((leaf) => leaf.nested)
  if (nested || metadata.rules.length > 0 || metadata.macOnlyEncrypted) {
    throw new SecretsError(`${file} has ${nested ? 'values within values' : `the rules ${metadata.rules.join(', ') || 'mac_only_encrypted'}`}, which only sops itself keeps: change it by sops edit`)
  }
  for (const name of wanted.keys()) if (/^sops(?:_|$)/.test(name)) throw new SecretsError(`${name}: names that begin with sops_ are those of SOPS itself in ${file}: choose another`)
  const before = new Map(layout.leaves.map(({ path, value }) => [path[0]!, value]))
  const names = [...[...before.keys()].filter((name) => wanted.has(name)), ...[...wanted.keys()].filter((name) => !before.has(name))]
  const kept = (name: string) => before.has(name) && old.get(name)?.text === wanted.get(name)
  const values = new Map(names.map((name) => [name, kept(name) ? before.get(name)! : stored(name, wanted.get(name)!, key)]))
  const lastmodified = new Date().toISOString().replace(/\.\d+/, '')
  const mac = encryptValue(macOf(names.map((name) => (kept(name) ? old.get(name)!.hashed : wanted.get(name)!)), { onlyEncrypted: false }), key, lastmodified)
  return layout.rewritten(values, { lastmodified, mac })
}

/** SOPS leaves values of such names in clear text. */
function stored(name: string, value: string, key: Uint8Array): string {
  return name.endsWith('_unencrypted') ? value : encryptValue(value, key, placeOf([name]))
}
