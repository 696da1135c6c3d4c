import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`: https://getsops.io/docs/#41encryption-protocol */
const form = /^ENC\[AES256_GCM,data:(.*),iv:(.+),tag:(.+),type:(.+)\]$/

/** SOPS takes 32 random bytes, more than the 12 that GCM is quickest with. */
const ivBytes = 32

export function isEncrypted(value: string): boolean {
  return form.test(value)
}

/** Encrypts a text for its place: the names that lead to it are authenticated, so that values cannot be swapped. An empty one stays empty. */
export function encryptValue(text: string, key: Uint8Array, place: string): string {
  if (text === '') return ''
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(Buffer.from(place))
  const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return `ENC[AES256_GCM,data:${data.toString('base64')},iv:${iv.toString('base64')},tag:${cipher.getAuthTag().toString('base64')},type:str]`
}

/** @throws where the value was not encrypted by this key for this place */
export function decryptValue(value: string, key: Uint8Array, place: string): { text: string; type: string } {
  const [, data, iv, tag, type] = form.exec(value)!
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv!, 'base64'), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(place))
  decipher.setAuthTag(Buffer.from(tag!, 'base64'))
  return { text: Buffer.concat([decipher.update(Buffer.from(data!, 'base64')), decipher.final()]).toString('utf8'), type: type! }
}

/** What is hashed first where only encrypted values count: the SHA-256 of "sops". */
const onlyEncryptedStart = createHash('sha256').update('sops').digest()

/** The code that shows a change of any value, as SOPS computes it: upper-case SHA-512 over the values in their order. */
export function macOf(values: Iterable<string>, { onlyEncrypted }: { onlyEncrypted: boolean }): string {
  const hash = createHash('sha512')
  if (onlyEncrypted) hash.update(onlyEncryptedStart)
  for (const value of values) hash.update(value)
  return hash.digest('hex').toUpperCase()
}
