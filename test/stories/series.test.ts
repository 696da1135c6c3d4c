import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { aSeriesServer, mailsSince } from '../helpers/a-series-server.ts'
import { exitOf, until } from '../helpers/a-home.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'

const { patches } = JSON.parse(readFileSync('test/fixtures/patchwork/ids.json', 'utf8')) as { patches: Record<string, number[]> }
const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const compiles = isInstalled('make', 'apt-get install build-essential') && isInstalled('cc', 'apt-get install build-essential')

/** The job of the small stories: it fails where the tree says so. */
const make = { make: 'workspace: commit\nscript: |\n  cat state.txt\n  ! grep -n "^error" state.txt\n  if [ -e hang ]; then sleep 600; fi\n' }

describe.skipIf(!sandboxed)('a mailed series', () => {
  test.skipIf(!compiles)('as a real server keeps it is applied, built and told of: good, broken, failing, warning, not applying, out of order, non-ASCII, incomplete, superseded', async () => {
    const server = await aSeriesServer({ recorded: true, tree: resolve('test/fixtures/patchwork/mini.bundle'), branch: 'master', jobs: 'examples/ffmpeg/job-defs', source: { pipelines: ['job:x86/make_fate'] } })
    await server.poll()
    await server.poll()
    expect(await server.build(['--threads', '2'])).toMatchObject({ code: 0, stderr: '' })
    const shown = (name: string) => patches[name]!.map(server.shown)
    const good = { configure_x86: 'success: passed', make_x86: 'success: passed', make_fate_x86: 'success: passed' }
    for (const name of ['series3_v2', 'ooo3', 'nonascii']) expect(shown(name), name).toEqual(patches[name]!.map(() => good))
    expect(shown('breakbuild')).toEqual([{ ...good, make_x86: expect.stringMatching(/^fail: .*error/), make_fate_x86: expect.stringMatching(/^warning: not run: it needs/) }])
    expect(shown('failtest')).toEqual([{ ...good, make_fate_x86: expect.stringMatching(/^fail: /) }])
    expect(shown('warning')).toEqual([{ ...good, make_x86: expect.stringMatching(/^warning: new warning: libmini\/.*unused variable/) }])
    expect(shown('noapply')).toEqual([{ apply: 'warning: does not apply: conflict in libmini/clip.c' }])
    for (const name of ['incomplete', 'series3', 'single']) expect(patches[name]!.flatMap(server.told), name).toEqual([])
  }, 60_000)
})
