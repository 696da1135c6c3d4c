/** One thing that doctor looked at. `wrong` stops Quern, or a part of it, from working; `warning` may. */
export interface Check {
  name: string
  state: 'ok' | 'warning' | 'wrong'
  /** What was found. */
  found: string
  /** What to do about it. */
  remedy?: string
}

/** `1 entry was`, `2 entries were`. */
export function counted(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

export function ok(name: string, found: string): Check {
  return { name, state: 'ok', found }
}

export function warning(name: string, found: string, remedy: string): Check {
  return { name, state: 'warning', found, remedy }
}

export function wrong(name: string, found: string, remedy: string): Check {
  return { name, state: 'wrong', found, remedy }
}
