import type { Document, Node, Pair } from 'yaml'

/**
 * Turns plain scalars that YAML reads as numbers, booleans or null into the text that stands in the file, at the
 * given places (keys joined by dots, `*` for any key or index).
 */
export function keepAsWritten(document: Document, places: string[], yaml: Pick<typeof import('yaml'), 'visit' | 'isPair' | 'isSeq'>): void {
  if (places.length === 0) return
  const patterns = places.map((place) => place.split('.'))
  yaml.visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value === 'string') return
      const path = pathOf([...ancestors, node], yaml)
      if (patterns.some((pattern) => pattern.length === path.length && pattern.every((part, index) => part === '*' || part === path[index]))) node.value = node.source ?? ''
    },
  })
}

function pathOf(nodes: readonly (Document | Node | Pair)[], yaml: Pick<typeof import('yaml'), 'isPair' | 'isSeq'>): string[] {
  return nodes.flatMap((node, index) => {
    if (yaml.isPair(node)) return [String((node.key as { value?: unknown }).value)]
    return yaml.isSeq(node) ? [String(node.items.indexOf(nodes[index + 1]))] : []
  })
}
