import { execFileSync } from 'node:child_process'

/** Bundles dist/ before the tests, since stories and commands start bin/quern itself. */
export function setup(): void {
  execFileSync(process.execPath, ['build.mjs'], { stdio: 'inherit' })
}
