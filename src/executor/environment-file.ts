/** Names that a shell keeps for itself: it would refuse to set them, and a bash that inherited them would ignore them. */
const shellsOwn = new Set(['BASHOPTS', 'BASH_VERSINFO', 'EUID', 'OPTIND', 'PPID', 'SHELLOPTS', 'UID'])

/**
 * A shell text that sets the environment. An isolating executor's own programs must start without it: a run's
 * LD_PRELOAD would be loaded into the jailer, outside the jail and with its rights; and values must not stand in argv.
 * @throws where a name or value cannot be in an environment
 */
export function environmentFile(env: Record<string, string>): string {
  return Object.entries(env).filter(([name]) => !shellsOwn.has(name)).map(([name, value]) => `export ${checkedName(name)}='${checkedValue(name, value)}'\n`).join('')
}

function checkedName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
  throw new Error(`the environment has ${JSON.stringify(name)}; a name of letters, digits and underscores was expected`)
}

function checkedValue(name: string, value: string): string {
  if (value.includes('\0')) throw new Error(`the environment's ${name} holds a NUL character, which no environment can`)
  return value.replaceAll("'", String.raw`'\''`)
}
