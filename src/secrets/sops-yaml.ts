import type { Document, Node, Pair, YAMLMap } from 'yaml'
import { ruleNames, type SopsLayout, type SopsLeaf, type SopsMetadata } from './sops-layout.ts'

type Yaml = typeof import('yaml')

/** Takes a SOPS file in YAML (or JSON, which is YAML) apart. @throws where it is none */
export async function readSopsYaml(text: string): Promise<SopsLayout> {
  const { default: yaml } = await import('yaml')
  const document = yaml.parseDocument(text, { prettyErrors: false, stringKeys: true, intAsBigInt: true })
  // The parser's own message may repeat what stands there.
  if (document.errors[0] !== undefined) throw new Error(`expected a file written by sops, as dotenv or YAML (${document.errors[0].code})`)
  const { contents } = document
  if (!yaml.isMap(contents) || !yaml.isMap(contents.get('sops'))) throw new Error('expected a file written by sops, as dotenv or YAML')
  const entries = entriesOf(contents)
  return {
    leaves: entries.flatMap(({ key, value }) => [...leavesOf(yaml, { path: [nameOf(key)], nested: false }, value)]),
    metadata: metadataOf((contents.get('sops') as YAMLMap).toJSON() as Record<string, unknown>),
    rewritten: (wanted, stamp) => rewrite(yaml, document, wanted, stamp),
  }
}

type Entry = Pair<Node, Node | null>

function entriesOf(contents: YAMLMap): Entry[] {
  return (contents.items as Entry[]).filter(({ key }) => nameOf(key) !== 'sops')
}

function nameOf(key: Node): string {
  return String((key as { value?: unknown }).value)
}

const decimal = new Intl.NumberFormat('en', { useGrouping: false, maximumSignificantDigits: 21 })

/** Nothing is hashed for null. SOPS hashes truth with a capital letter and numbers without an exponent. */
function* leavesOf(yaml: Yaml, { path, nested }: Omit<SopsLeaf, 'value'>, node: Node | null): Generator<SopsLeaf> {
  if (yaml.isMap(node)) for (const { key, value } of node.items as Entry[]) yield* leavesOf(yaml, { path: [...path, nameOf(key)], nested: true }, value)
  else if (yaml.isSeq(node)) for (const item of node.items as Node[]) yield* leavesOf(yaml, { path, nested: true }, item)
  else if (yaml.isScalar(node) && typeof node.value === 'boolean') yield { path, nested, value: String(node.value), hashed: node.value ? 'True' : 'False' }
  else if (yaml.isScalar(node) && typeof node.value === 'number') yield { path, nested, value: String(node.value), hashed: decimal.format(node.value) }
  else if (yaml.isScalar(node) && node.value !== null) yield { path, nested, value: String(node.value) }
}

function metadataOf(sops: Record<string, unknown>): SopsMetadata {
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const age = Array.isArray(sops['age']) ? (sops['age'] as Record<string, unknown>[]) : []
  return {
    age: age.map(({ recipient, enc }) => ({ recipient: text(recipient), enc: text(enc) })),
    lastmodified: text(sops['lastmodified']),
    mac: text(sops['mac']),
    macOnlyEncrypted: sops['mac_only_encrypted'] === true,
    rules: ruleNames.filter((name) => sops[name] !== undefined),
  }
}

function rewrite(yaml: Yaml, document: Document, wanted: ReadonlyMap<string, string>, stamp: { lastmodified: string; mac: string }): string {
  const copy = document.clone()
  const contents = copy.contents as unknown as YAMLMap<Node, Node | null>
  const missing = new Map(wanted)
  for (const { key, value } of entriesOf(contents)) {
    const name = nameOf(key)
    if (yaml.isMap(value) || yaml.isSeq(value)) continue
    if (wanted.has(name)) copy.set(name, wanted.get(name))
    else copy.delete(name)
    missing.delete(name)
  }
  const metadata = contents.items.findIndex(({ key }) => nameOf(key) === 'sops')
  contents.items.splice(metadata, 0, ...[...missing].map(([name, value]) => copy.createPair(name, value) as unknown as Entry))
  copy.setIn(['sops', 'mac'], stamp.mac)
  copy.setIn(['sops', 'lastmodified'], stamp.lastmodified)
  return copy.toString({ lineWidth: 0 })
}
