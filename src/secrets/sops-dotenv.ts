import { ruleNames, type SopsLayout, type SopsMetadata } from './sops-layout.ts'

/** Whether the text is a SOPS file of lines `NAME=value`. */
export function isSopsDotenv(text: string): boolean {
  return /^sops_(?:mac|version|lastmodified)=/m.test(text)
}

/** Takes a SOPS dotenv file apart. It has no quotes; a line break within a value stands as `\n`. */
export function readSopsDotenv(text: string): SopsLayout {
  const lines = text.split('\n').filter((line) => line !== '')
  const pairs = lines.filter((line) => !line.startsWith('#')).map((line) => pairOf(line))
  // A name that stands there twice counts twice in the MAC.
  const leaves = pairs.filter(([name]) => !name.startsWith('sops_')).map(([name, value]) => ({ path: [name], nested: false, value }))
  return { leaves, metadata: metadataOf(new Map(pairs)), rewritten: (wanted, stamp) => rewrite(lines, wanted, stamp) }
}

/** An encrypted file without values yet. */
export function emptySopsDotenv({ recipient, enc }: { recipient: string; enc: string }): string {
  const metadata = { age__list_0__map_enc: enc, age__list_0__map_recipient: recipient, lastmodified: '', mac: '', unencrypted_suffix: '_unencrypted', version: '3.9.4' }
  return Object.entries(metadata).map(([name, value]) => `sops_${name}=${encoded(value)}\n`).join('')
}

function pairOf(line: string): [string, string] {
  const at = line.indexOf('=')
  if (at < 1) throw new Error('expected lines of the form NAME=value')
  return [line.slice(0, at), line.slice(at + 1).replaceAll('\\n', '\n')]
}

function encoded(value: string): string {
  return value.replaceAll('\n', '\\n')
}

function metadataOf(values: Map<string, string>): SopsMetadata {
  const age: SopsMetadata['age'] = []
  for (let index = 0; values.has(`sops_age__list_${index}__map_enc`); index++) {
    age.push({ enc: values.get(`sops_age__list_${index}__map_enc`)!, recipient: values.get(`sops_age__list_${index}__map_recipient`) ?? '' })
  }
  return {
    age,
    lastmodified: values.get('sops_lastmodified') ?? '',
    mac: values.get('sops_mac') ?? '',
    macOnlyEncrypted: values.get('sops_mac_only_encrypted') === 'true',
    rules: ruleNames.filter((rule) => [...values.keys()].some((name) => name.startsWith(`sops_${rule}`))),
  }
}

function rewrite(lines: string[], wanted: ReadonlyMap<string, string>, stamp: { lastmodified: string; mac: string }): string {
  const missing = new Map(wanted)
  const kept = lines.flatMap((line) => {
    if (line.startsWith('#')) return [line]
    const [name] = pairOf(line)
    if (name === 'sops_lastmodified' || name === 'sops_mac') return [`${name}=${stamp[name === 'sops_mac' ? 'mac' : 'lastmodified']}`]
    if (name.startsWith('sops_')) return [line]
    return missing.delete(name) ? [`${name}=${encoded(wanted.get(name)!)}`] : []
  })
  const metadata = kept.findIndex((line) => line.startsWith('sops_'))
  kept.splice(metadata, 0, ...[...missing].map(([name, value]) => `${name}=${encoded(value)}`))
  return `${kept.join('\n')}\n`
}
