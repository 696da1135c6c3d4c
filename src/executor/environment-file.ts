const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Names that a shell keeps for itself: it would refuse to set them, and a bash that inherited them would ignore them. */
const shellsOwn = new Set(['BASHOPTS', 'BASH_VERSINFO', 'EUID', 'OPTIND', 'PPID', 'SHELLOPTS', 'UID'])

/** Further names that mean something to one shell or another; it would lose them, or count with them. */
const meaningful = /^(?:BASH.*|DIRSTACK|EPOCH.*|FUNCNAME|GROUPS|HIST.*|IFS|LINENO|OLDPWD|OPTARG|OPTERR|POSIXLY_CORRECT|PWD|RANDOM|SECONDS|SHLVL|SRANDOM|_)$/

/** What a shell can set and hand on exactly, whichever shell it is, and what leaves much room for arguments. */
export function isSimple(env: Record<string, string>): boolean {
  let size = 0
  for (const [name, value] of Object.entries(env)) {
    size += name.length + value.length
    if (!variableName.test(name) || shellsOwn.has(name) || meaningful.test(name)) return false
  }
  return size < 32_768
}

/**
 * A shell text that sets the environment. An isolating executor's own programs must start without it: a run's
 * LD_PRELOAD would be loaded into the jailer, outside the jail and with its rights; and values must not stand in argv.
 * @throws where a name or value cannot be in an environment
 */
export function environmentFile(env: Record<string, string>): string {
  return Object.entries(env).filter(([name]) => !shellsOwn.has(name)).map(([name, value]) => `export ${checkedName(name)}=${quoted(checkedValue(name, value))}\n`).join('')
}

function checkedName(name: string): string {
  if (variableName.test(name)) return name
  throw new Error(`the environment has ${JSON.stringify(name)}; a name of letters, digits and underscores was expected`)
}

function checkedValue(name: string, value: string): string {
  if (value.includes('\0')) throw new Error(`the environment's ${name} holds a NUL character, which no environment can`)
  return value
}

/** The text as one word of a shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
