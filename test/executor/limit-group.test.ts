import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { buildSync } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { makeLimitGroup, removeLeftGroups } from '../../src/executor/limit-group.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: a host with control groups of version 2, which only root can act out')

const limits = { timeout: 1, grace: 1, memory: 2 ** 30 }

/** Where a run's group is made here, if this user may make one. */
function makeGroup(home: string): string | undefined {
  const group = makeLimitGroup(`${home}/p/1/r`, limits)
  onTestFinished(() => group?.remove())
  return group && dirname(group.entrances[0]!)
}

test('a group of a builder that died in another session is removed, and no other home\'s', ({ skip }) => {
  const [ours, theirs] = [`ours-${process.pid}`, `theirs-${process.pid}`]
  const groups = [makeGroup(ours), makeGroup(theirs)]
  if (groups.some((path) => path === undefined)) skip('no control group may be made here')
  const session = join(dirname(groups[0]!), `session-${process.pid}.scope`)
  const [own, other] = groups.map((path) => join(session, basename(path!)))
  onTestFinished(() => {
    for (const path of [own!, other!, session]) if (existsSync(path)) rmdirSync(path)
  })
  for (const path of [own!, other!]) mkdirSync(path, { recursive: true })
  removeLeftGroups(ours)
  expect([groups[0]!, own!, groups[1]!, other!].map((path) => existsSync(path))).toEqual([false, false, true, true])
})

test.runIf(root).each([
  ['one group holds memory and CPUs, below the ancestor that hands on both', { '': 'cpu memory pids', 'system.slice': 'memory pids' }, '', ['memory', 'cpus']],
  ['the nearest of several that hand on both is taken', { '': 'cpu memory pids', 'system.slice': 'cpu memory' }, 'system.slice', ['memory', 'cpus']],
  ['where none hands on CPUs, memory is held and they are not', { '': 'memory pids', 'system.slice': 'memory' }, 'system.slice', ['memory']],
])('in version 2, where a process is in one group only, %s', (_, handedOn, place, holds) => {
  const top = aHostOfVersion2(handedOn)
  const group = join(top, place, groupName('h/p/1/r'))
  expect(makeGroupAt(top, 'h/p/1/r')).toEqual({ entrances: [join(group, 'cgroup.procs')], holds })
  expect(readFileSync(join(group, 'memory.max'), 'utf8')).toBe(String(limits.memory))
})

/** A directory like the kernel's, with the files that it would put into the group of a run, whose builder is a service of systemd. */
function aHostOfVersion2(handedOn: Record<string, string>): string {
  const top = tempDir()
  mkdirSync(join(top, 'system.slice/quern.service'), { recursive: true })
  writeFileSync(join(top, 'system.slice/quern.service/cgroup.subtree_control'), '')
  for (const [place, controllers] of Object.entries(handedOn)) {
    const group = join(top, place, groupName('h/p/1/r'))
    mkdirSync(group)
    writeFileSync(join(top, place, 'cgroup.subtree_control'), `${controllers}\n`)
    for (const name of ['cgroup.procs', ...controllers.split(' ').map((controller) => `${controller}.max`)]) writeFileSync(join(group, name), '')
  }
  return top
}

function groupName(id: string): string {
  return `quern-${[id.split('/')[0]!, id].map((text) => createHash('sha256').update(text).digest('hex').slice(0, 12)).join('-')}`
}

/** What is made by a process to which the kernel tells of no other control groups. */
function makeGroupAt(top: string, id: string): unknown {
  const [directory, told] = [tempDir(), tempDir()]
  const source = `import { makeLimitGroup } from './src/executor/limit-group.ts'
    const { entrances, holds } = makeLimitGroup('${id}', ${JSON.stringify({ ...limits, cpus: 0.5 })})
    console.log(JSON.stringify({ entrances, holds: [...holds] }))`
  buildSync({ stdin: { contents: source, resolveDir: process.cwd(), loader: 'ts' }, outfile: join(directory, 'child.mjs'), bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  writeFileSync(join(told, 'cgroup'), '0::/system.slice/quern.service\n')
  writeFileSync(join(told, 'mountinfo'), `30 20 0:26 / ${top} rw - cgroup2 cgroup2 rw\n`)
  const script = 'for name in cgroup mountinfo; do mount --bind "$1/$name" "/proc/$$/$name" || exit 1; done; exec "$2" "$3"'
  return JSON.parse(execFileSync('unshare', ['--mount', 'sh', '-c', script, 'sh', told, process.execPath, join(directory, 'child.mjs')], { encoding: 'utf8', timeout: 60_000 }))
}
