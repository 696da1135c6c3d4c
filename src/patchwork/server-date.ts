/**
 * That many minutes before a date of the server, in the server's own form. It is the server's clock that is read, as if it
 * were UTC, and nothing of ours: whatever zone it is in, what is sent back is in the same one. Microseconds stay.
 */
export function minutesBefore(date: string, minutes: number): string {
  const [seconds = '', micros] = date.split('.')
  const earlier = new Date(Date.parse(`${seconds}Z`) - minutes * 60_000).toISOString().slice(0, 19)
  return micros === undefined ? earlier : `${earlier}.${micros}`
}

/** Hours from one date of the server to another. */
export function hoursBetween(earlier: string, later: string): number {
  return (Date.parse(`${later.slice(0, 19)}Z`) - Date.parse(`${earlier.slice(0, 19)}Z`)) / 3_600_000
}

/** The greatest distance of a clock on the wall from UTC, in hours. */
const widestZone = 14

/** Hours that have passed since a date of the server for sure, whatever zone it is in. */
export function hoursSince(date: string, now: number): number {
  return (now - Date.parse(`${date.slice(0, 19)}Z`)) / 3_600_000 - widestZone
}

/** The latest date that the server's clock can show now, whatever zone it is in, and ours up to ten hours slow. */
export function latestDate(now: number): string {
  return new Date(now + (widestZone + 10) * 3_600_000).toISOString().slice(0, 19)
}
