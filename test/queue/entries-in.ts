import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every entry's file in a home, wherever it is. */
export function entriesIn(home: string): { place: string; name: string; content: { delivery?: string } }[] {
  return ['queue', 'queue/low', 'queue/tmp', 'queue/claimed', 'queue/bad', 'ledger/done'].flatMap((place) =>
    readdirSync(join(home, place))
      .filter((name) => name.endsWith('.json'))
      .map((name) => ({ place, name, content: JSON.parse(readFileSync(join(home, place, name), 'utf8')) })),
  )
}
