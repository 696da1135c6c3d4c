import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'

/** A builder in miniature, in a process of its own: fetches the mirror that its arguments say. */
const [, , directory, url, mark] = process.argv as [string, string, string, string, string]
await openMirrors(directory, { env: { ...gitWorld(process.env), QUERN_RUN: `${mark}/git` }, localPaths: true }).fetchMirror(url)
