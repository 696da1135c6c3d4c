import { join } from 'node:path'
import { buildSync } from 'esbuild'

/** Bundles a TypeScript program, so that a child process can run it with plain node. @returns its path in the directory */
export function bundle(program: string, directory: string): string {
  const outfile = join(directory, 'program.mjs')
  buildSync({
    entryPoints: [program],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  })
  return outfile
}
