/** Seconds. Nothing is put off for so long: who is told to wait until later than that was told so by a clock that was wrong. */
const longest = 7 * 24 * 3600

/** Whether the wait until a second since 1970 is over. bin/quern has the same rule. @param now in seconds, too */
export function isDue(second: number, now: number): boolean {
  return second <= now || second > now + longest
}
