import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openToOwner, openWorkspaces, type Workspace } from '../../src/build/execute/workspaces.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a workspace that a run left as it was serves the next one', async () => {
  const workspaces = openWorkspaces(tempDir())
  const first = workspaces.take()
  const second = workspaces.take()
  expect(second.path).not.toBe(first.path)
  await workspaces.give(first, { again: true })
  expect(workspaces.take()).toEqual(first)
})

test('a workspace that an isolated run could have marked serves nobody else', async () => {
  const workspaces = openWorkspaces(tempDir())
  const workspace = workspaces.take()
  await workspaces.give(workspace)
  expect(existsSync(workspace.path)).toBe(false)
})

const traces: Record<string, (workspace: Workspace) => void> = {
  'a file in its tree': ({ tree }) => writeFileSync(join(tree, 'file'), ''),
  'a hidden directory in TMPDIR': ({ temporary }) => mkdirSync(join(temporary, '.hidden')),
  'a dangling link in its archive': ({ archive }) => symlinkSync('/nowhere', join(archive, 'link')),
  'something beside them': ({ path }) => writeFileSync(join(path, 'beside'), ''),
  'another mode': ({ tree }) => chmodSync(tree, 0o777),
  'all of it open to others': ({ path, tree, temporary, archive }) => [path, tree, temporary, archive].forEach((directory) => chmodSync(directory, 0o777)),
  'no tree': ({ tree }) => rmdirSync(tree),
  'a link in the place of its tree': ({ tree, archive }) => {
    rmdirSync(tree)
    symlinkSync(archive, tree)
  },
}

test.each(Object.entries(traces))('a run that leaves %s leaves nothing to the next one', async (_, leave) => {
  const workspaces = openWorkspaces(tempDir())
  const workspace = workspaces.take()
  leave(workspace)
  await workspaces.give(workspace, { again: true })
  expect(existsSync(workspace.path)).toBe(false)
  expect(workspaces.take().path).not.toBe(workspace.path)
})

test('cleared, it holds nothing, not even what a dead builder left, and goes on', async () => {
  const home = tempDir()
  mkdirSync(join(home, 'cache/work/17/tree'), { recursive: true })
  const workspaces = openWorkspaces(home)
  await workspaces.give(workspaces.take(), { again: true })
  expect(await workspaces.clear()).toEqual([])
  expect(existsSync(join(home, 'cache/work/17'))).toBe(false)
  expect(statSync(join(home, 'cache/work')).mode & 0o777).toBe(0o700)
  expect(existsSync(workspaces.take().tree)).toBe(true)
})

test('directories that a job closed to their owner can be looked into again, and a link in the place of one is not followed', () => {
  const workspace = openWorkspaces(tempDir()).take()
  const outside = tempDir()
  chmodSync(outside, 0o500)
  rmdirSync(workspace.temporary)
  symlinkSync(outside, workspace.temporary)
  for (const directory of [workspace.tree, workspace.archive, workspace.path]) chmodSync(directory, 0o055)
  openToOwner(workspace)
  expect([workspace.path, workspace.tree, workspace.archive, outside].map((directory) => statSync(directory).mode & 0o777)).toEqual([0o755, 0o755, 0o755, 0o500])
})

test.runIf(canFreeze())('what cannot be removed is told, and takes no workspace from others', async () => {
  const home = tempDir()
  const held = join(home, 'cache/work/1')
  mkdirSync(held, { recursive: true })
  writeFileSync(join(held, 'file'), '')
  spawnSync('chattr', ['+i', join(held, 'file')])
  const env = { ...process.env }
  onTestFinished(() => {
    vi.unstubAllEnvs()
    spawnSync('chattr', ['-i', join(held, 'file')], { env })
  })
  // Without chattr, on a system that has rm and chmod only.
  const programs = tempDir()
  for (const name of ['rm', 'chmod']) symlinkSync(`/bin/${name}`, join(programs, name))
  vi.stubEnv('PATH', programs)
  const workspaces = openWorkspaces(home)
  expect(await workspaces.clear()).toHaveLength(1)
  expect(workspaces.take().path).toBe(join(home, 'cache/work/2'))
})

test.runIf(canFreeze())('what a job made immutable, or to be appended to only, is removed like the rest', async () => {
  const workspaces = openWorkspaces(tempDir())
  const { path, tree, archive } = workspaces.take()
  for (const directory of [tree, archive]) mkdirSync(join(directory, 'sub'))
  writeFileSync(join(tree, 'sub/file'), '')
  spawnSync('chattr', ['+i', join(tree, 'sub/file'), archive])
  spawnSync('chattr', ['+a', join(tree, 'sub')])
  onTestFinished(() => void spawnSync('chattr', ['-R', '-ia', path]))
  expect(await workspaces.clear()).toEqual([])
  expect(existsSync(path)).toBe(false)
})

/** Whether a file can be made that nobody removes: by root, on file systems that have the flag. */
function canFreeze(): boolean {
  const file = join(mkdtempSync(join(tmpdir(), 'quern-test-')), 'file')
  writeFileSync(file, '')
  const { status } = spawnSync('chattr', ['+i', file])
  spawnSync('chattr', ['-i', file])
  rmSync(dirname(file), { recursive: true })
  return status === 0
}
