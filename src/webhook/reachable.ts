import { isNoreply } from '../model/mail.ts'

/** Somebody as a forge names them. */
export interface Person {
  name: string
  email: string
}

/**
 * The first one whose address reaches somebody. Merges made on the web are committed by `GitHub <noreply@github.com>`, and
 * `…@users.noreply.github.com` or Gitea's `…@noreply.<host>` hide an address. Where nobody can be reached: the first name
 * that there is, without an address, so that nobody is mailed.
 */
export function reachable(people: (Person | null | undefined)[]): Person {
  const known = people.filter((person) => person != null)
  const named = known.find(({ name, email }) => name !== '' && !isServiceItself(email)) ?? known[0]
  return known.find(({ email }) => reachesSomebody(email)) ?? { name: named?.name ?? '', email: '' }
}

function reachesSomebody(email: string): boolean {
  return email.includes('@') && !isNoreply(email)
}

function isServiceItself(email: string): boolean {
  return /^no-?reply@/i.test(email)
}
