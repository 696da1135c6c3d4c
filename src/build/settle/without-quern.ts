/** The parts of a package.json and of a lock file that name packages; strangers write them. */
interface Manifest {
  dependencies?: Record<string, unknown>
  devDependencies?: Record<string, unknown>
  packages?: Record<string, (Manifest & { link?: unknown; resolved?: unknown }) | undefined>
}

/**
 * A package.json or its lock file without the package quern: `import 'quern'` is the API of the server, and where a
 * project has the package from, like a directory or an archive on somebody's machine, it is not to be had here.
 * As it came where it does not name quern, or is not JSON.
 */
export function withoutQuern(text: string): string {
  const manifest = parse(text)
  const packages = manifest?.packages
  const quern = packages?.['node_modules/quern']
  const removed = [remove(manifest, 'quern'), remove(packages?.[''], 'quern')].includes(true)
  if (!removed && quern === undefined) return text
  if (quern?.link === true) delete packages![String(quern.resolved)]
  delete packages?.['node_modules/quern']
  return JSON.stringify(manifest)
}

function remove(manifest: Manifest | undefined, name: string): boolean {
  const holders = [manifest?.dependencies, manifest?.devDependencies].filter((holder) => holder?.[name] !== undefined)
  for (const holder of holders) delete holder![name]
  return holders.length > 0
}

function parse(text: string): Manifest | undefined {
  try {
    return (JSON.parse(text) as Manifest | null) ?? undefined
  } catch {
    return undefined
  }
}
