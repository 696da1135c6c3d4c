// `npm run bench`: every benchmark, one after the other, so that none disturbs another. `npm run bench tick claim` runs some.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const all = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && name !== 'all.ts').map((name) => name.slice(0, -'.ts'.length))
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all.toSorted()
const failed = chosen.filter((name) => {
  console.log(`\n== ${name}`)
  return spawnSync(process.execPath, [join('node_modules', 'jiti', 'lib', 'jiti-cli.mjs'), join('bench', `${name}.ts`)], { stdio: 'inherit' }).status !== 0
})
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`)
  process.exitCode = 1
}
