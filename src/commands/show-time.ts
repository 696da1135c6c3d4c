/** `2026-11-21 01:23:45` in the time zone of this machine, from ISO 8601. */
export function localTime(iso: string): string {
  const time = new Date(iso)
  const two = (number: number) => String(number).padStart(2, '0')
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** How long something took; empty where it has not begun or ended, or its end is before its start: the clock stepped back meanwhile. */
export function took({ started, ended }: { started?: string | undefined; ended?: string | undefined }): string {
  const milliseconds = started === undefined || ended === undefined ? -1 : Date.parse(ended) - Date.parse(started)
  return milliseconds < 0 ? '' : duration(milliseconds)
}
