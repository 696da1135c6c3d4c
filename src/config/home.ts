import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** The directory that Quern is installed in: the checkout or the npm package, with bin/, scripts/ and docs/. */
export function installation(): string {
  // This file is src/config/home.ts in the source and a chunk under dist/ when bundled.
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json'))) {
    if (dirname(directory) === directory) throw new Error(`looking for Quern's package.json from ${import.meta.dirname} upwards: there is none; install Quern again`)
    directory = dirname(directory)
  }
  return directory
}

/**
 * The data directory: QUERN_HOME, which the launcher always sets, or the installation itself. Absolute.
 * An installation that is reached by a link, like the one in a project's node_modules, is still the installation.
 */
export function homeDirectory(): string {
  const home = resolve(process.env['QUERN_HOME'] || installation())
  return existsSync(home) && realpathSync(home) === realpathSync(installation()) ? installation() : home
}
