// Bundles src/main.ts into one file of dist/, which src/start.ts loads with what V8 compiled of it before.
// Beside it stands what projects import: the pipeline API and its test kit, with their types.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

// Without development packages (npm ci --omit=dev, NODE_ENV=production) npm would show a stack trace and no remedy.
const { build } = await import('esbuild').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  console.error('Quern is compiled when it is installed, and what compiles it is missing: run "npm ci --include=dev" (afterwards "npm prune --omit=dev" takes it away again).')
  process.exit(1)
})

/** Becomes dist/ when all of it is there, so that a tick of cron during an upgrade finds the old program or the new one. */
const fresh = `dist.new-${process.pid}`

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
  return promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.types.json', '--outDir', `${fresh}/types`])
}

/** A CommonJS module, since only these can be started from compiled code; its name tells its content apart. */
async function bundleProgram() {
  const commonJs = { ...common, format: 'cjs', banner: {} }
  const url = { 'import.meta.url': 'quernUrl', 'import.meta.dirname': '__dirname' }
  const banner = { js: "const quernUrl = require('node:url').pathToFileURL(__filename).href;" }
  const { outputFiles: [bundle] } = await build({ ...commonJs, entryPoints: ['src/main.ts'], define: url, banner, write: false })
  const code = asciiOnly(bundle.text)
  const name = `quern-${createHash('sha256').update(code).digest('hex').slice(0, 12)}.cjs`
  writeFileSync(`${fresh}/${name}`, code)
  await build({ ...commonJs, entryPoints: { main: 'src/start.ts' }, outdir: fresh, outExtension: { '.js': '.cjs' }, define: { quernBundle: JSON.stringify(name) } })
}

/** src/start.ts takes each byte for a character. esbuild writes others as escapes, but not those of regular expressions and tagged templates. */
function asciiOnly(code) {
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * Keeps what V8 compiles for a build beside the bundle, by building something; src/start.ts looks there. Where that cannot
 * be done, the builder keeps it by itself.
 */
async function compile() {
  const home = mkdtempSync(join(tmpdir(), 'quern-compile-'))
  try {
    for (const name of ['scripts', 'queue', 'logs', 'cache']) mkdirSync(join(home, name))
    for (const name of ['checkout_repos', 'build_packages']) writeFileSync(join(home, 'scripts', name), 'true\n')
    const request = { repository: 'sample', ref: 'refs/heads/main', commit_id: '0'.repeat(40), committer_name: '', committer_email: '', clone_url: 'https://localhost/sample' }
    writeFileSync(join(home, 'queue/1.000001-compile.json'), JSON.stringify(request))
    await promisify(execFile)('bin/quern', ['build'], { env: { PATH: process.env.PATH, NODE: process.execPath, QUERN_HOME: home }, timeout: 60_000 })
    for (const name of readdirSync(join(home, 'cache/code'))) copyFileSync(join(home, 'cache/code', name), join('dist', name))
  } catch (error) {
    console.warn(`Quern will compile itself at its first build: ${error.message}`)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Like Promise.all, but rejects only when none of them writes any more. */
async function allOf(promises) {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** What runs goes on with the files that it has opened. */
function putInPlace() {
  const old = `dist.old-${process.pid}`
  if (existsSync('dist')) renameSync('dist', old)
  renameSync(fresh, 'dist')
  rmSync(old, { recursive: true, force: true })
}

mkdirSync(fresh)
try {
  await allOf([
    bundleProgram(),
    // A sandbox sees this directory and nothing else of the installation: each of its files stands alone.
    build({ ...common, banner: {}, entryPoints: { index: 'src/plan/pipeline/pipeline.ts' }, outdir: `${fresh}/pipeline` }),
    build({ ...common, entryPoints: { testing: 'src/testing.ts' }, outdir: fresh }),
    build({ ...common, entryPoints: { evaluate: 'src/plan/pipeline/evaluate-program.ts' }, outdir: `${fresh}/pipeline` }),
    emitTypes(),
  ])
  putInPlace()
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
await compile()
