/** A SOPS file taken apart, nothing decrypted yet. Dotenv and YAML differ only in this. */
export interface SopsLayout {
  /** The values in the order of the file, which the MAC covers. */
  leaves: SopsLeaf[]
  metadata: SopsMetadata
  /** The file's text with these values: new names at the end, names left out removed, all else as it stands. */
  rewritten(values: ReadonlyMap<string, string>, stamp: { lastmodified: string; mac: string }): string
}

export interface SopsLeaf {
  /** Names that lead to it; a position in a list adds none. */
  path: string[]
  /** Within another value, so no secret by itself. */
  nested: boolean
  /** As it stands in the file. */
  value: string
  /** A value left in clear text as the MAC counts it, where that is not as it stands. */
  hashed?: string
}

/** https://github.com/getsops/sops/blob/main/stores/stores.go (Metadata) */
export interface SopsMetadata {
  /** The data key, encrypted for each recipient, armoured. */
  age: { recipient: string; enc: string }[]
  lastmodified: string
  mac: string
  macOnlyEncrypted: boolean
  /** Rules that leave other values in clear text than those named `…_unencrypted`. */
  rules: string[]
}

/** Names of the rules in a file. */
export const ruleNames = ['encrypted_suffix', 'unencrypted_regex', 'encrypted_regex', 'encrypted_comment_regex', 'unencrypted_comment_regex', 'key_groups']
