import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'

const ours = /^(\d{10})\.(\d{6})-[0-9a-f]+\.json$/

/** Foreign names that can stand in claimed/ and bad/ beside `<name>.build` and `<name>.reason`, and in records and mails. */
const fitting = /^[A-Za-z0-9_][A-Za-z0-9_.,=+@~-]{0,199}$/

const microsecondsOfADay = 24 * 3600 * 1e6

/** Whether the queue gave the name: it is then never used for a second entry. */
export function isOurs(name: string): boolean {
  return ours.test(name)
}

/** Whether an entry dropped in by hand can keep its name while it is claimed or set aside. */
export function isFitting(name: string): boolean {
  return fitting.test(name) && !/\.(?:build|reason)$/.test(name)
}

/** Oldest first. amp_ci named entries `build-<seconds as a float>`: these are ordered by the part after `build-`. */
export function compareNames(a: string, b: string): number {
  const [first, second] = [timeOf(a), timeOf(b)]
  return first < second ? -1 : first > second ? 1 : 0
}

/**
 * Gives names `<seconds>.<microseconds>-<id>.json`, each later than the one before, also where the clock steps back:
 * it goes on from the newest name in the directories, unless that is absurd (more than a day ahead of the clock). What is
 * claimed counts, too: a newer push that is named as the older one would be cancelled for it.
 * @param now milliseconds since 1970
 */
export function openNames(directories: string[], now: () => number): () => string {
  let last: number | undefined
  return () => {
    const time = Math.floor(now() * 1000)
    last = Math.max(time, (last ?? newestOf(directories, time + microsecondsOfADay)) + 1)
    // A clock that was never set is in 1970: these names are ordered as text, among all others.
    const seconds = String(Math.floor(last / 1e6)).padStart(10, '0')
    return `${seconds}.${String(last % 1e6).padStart(6, '0')}-${randomBytes(4).toString('hex')}.json`
  }
}

/** The name of a delivery's link. What a stranger chose freely is hashed; `+` keeps both kinds of names apart. */
export function deliveryName(hook: string, delivery: string): string {
  const plain = `${hook}+${delivery}`
  if (/^[A-Za-z0-9_-]+\+[A-Za-z0-9_-]+$/.test(plain) && plain.length <= 200) return plain
  return createHash('sha256').update(`${hook}\0${delivery}`).digest('hex')
}

function timeOf(name: string): string {
  return name.startsWith('build-') ? name.slice('build-'.length) : name
}

/** The microseconds in the newest of our names in some directories that is not above the limit. */
function newestOf(directories: string[], limit: number): number {
  let newest = 0
  for (const name of directories.flatMap((directory) => readdirSync(directory))) {
    const match = ours.exec(name)
    const time = match === null ? 0 : Number(match[1]) * 1e6 + Number(match[2])
    if (time > newest && time <= limit) newest = time
  }
  return newest
}
