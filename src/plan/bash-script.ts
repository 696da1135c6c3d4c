/** A job's script stops at the first command that fails, unless it begins with a #! line of its own, whose options bash then gets. */
export function bashScript(script: string): string {
  const options = /^#!\s*\S+(?:\s+(?:ba)?sh)?((?:\s+-[a-z]+)*)/.exec(script)
  if (options === null) return `set -e\n${script}`
  return options[1] === '' ? script : `set ${options[1]!.trim()}\n${script}`
}
