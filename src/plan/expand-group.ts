/** `$NAME` and `${NAME}` in the name of a concurrency group: a key to compare, never shell text. */
export function expandGroup(group: string, env: Record<string, string>): string {
  return group.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => env[braced ?? bare ?? ''] ?? '')
}
