import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { constants, Script } from 'node:vm'

/** The file beside this one that holds all of Quern, named by its content; put here by build.mjs. */
declare const quernBundle: string

/** Milliseconds after which what a start needs has been compiled; nobody waits for it then. */
const settled = 2000

/**
 * Starts Quern. Its code is one file, and compiling it is half of what a builder does before the first command of a build. So
 * what V8 made of it is kept: beside it by build.mjs or, for another Node than that one, in the home's cache by the
 * builder. (Node 22 has `module.enableCompileCache()` for this.)
 */
function start(): void {
  const bundle = join(__dirname, quernBundle)
  const name = `${basename(bundle, '.cjs')}-${process.version}-${process.arch}`
  const kept = process.env['QUERN_HOME'] && join(process.env['QUERN_HOME'], 'cache/code', name)
  const cachedData = (kept ? readKept(kept) : undefined) ?? readKept(join(__dirname, name))
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${readFileSync(bundle, 'latin1')}\n})`, {
    filename: bundle,
    ...(cachedData && { cachedData }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  if (kept && process.argv[2] === 'build' && (cachedData === undefined || script.cachedDataRejected)) keepLater(kept, script)
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(bundle), module, bundle, __dirname)
}

function readKept(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

/** Only what has run by then is compiled, so this waits; it is no reason to go on living, nor to fail. */
function keepLater(path: string, script: Script): void {
  const keep = () => {
    clearTimeout(timer)
    process.off('exit', keep)
    try {
      replace(path, script.createCachedData())
    } catch {}
  }
  const timer = setTimeout(keep, settled).unref()
  process.once('exit', keep)
}

/** The rename makes it whole for those who start meanwhile; a home without a cache gets none. What other versions of Quern or Node left is of no use any more. */
function replace(path: string, content: Uint8Array): void {
  const directory = dirname(path)
  if (!existsSync(directory)) mkdirSync(directory)
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { force: true })
  writeFileSync(`${path}.${process.pid}`, content)
  renameSync(`${path}.${process.pid}`, path)
}

start()
