// Bundles src/main.ts into dist/: one small file for each command, so that the builder loads only what it needs.
// Beside it stands what projects import: the pipeline API and its test kit, with their types.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const common = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  legalComments: 'none',
  logLevel: 'warning',
  // Bundled CommonJS packages call require() for Node's own modules, which an ES module does not have.
  banner: { js: "import { createRequire as quernRequire } from 'node:module'; const require = quernRequire(import.meta.url);" },
}

/** The types of what projects import, for their editors. */
function emitTypes() {
  return promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.types.json'])
}

rmSync('dist', { recursive: true, force: true })
await Promise.all([
  build({ ...common, entryPoints: { main: 'src/main.ts' }, outdir: 'dist', splitting: true }),
  // A sandbox sees this directory and nothing else of the installation: each of its files stands alone.
  build({ ...common, banner: {}, entryPoints: { index: 'src/plan/pipeline/pipeline.ts' }, outdir: 'dist/pipeline' }),
  build({ ...common, entryPoints: { testing: 'src/testing.ts' }, outdir: 'dist' }),
  build({ ...common, entryPoints: { evaluate: 'src/plan/pipeline/evaluate-program.ts' }, outdir: 'dist/pipeline' }),
  emitTypes(),
])
