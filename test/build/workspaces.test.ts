import { chmodSync, existsSync, mkdirSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openWorkspaces, type Workspace } from '../../src/build/workspaces.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a workspace that a run left as it was serves the next one', async () => {
  const workspaces = openWorkspaces(tempDir())
  const first = workspaces.take()
  const second = workspaces.take()
  expect(second.path).not.toBe(first.path)
  await workspaces.give(first)
  expect(workspaces.take()).toEqual(first)
})

const traces: Record<string, (workspace: Workspace) => void> = {
  'a file in its tree': ({ tree }) => writeFileSync(join(tree, 'file'), ''),
  'a hidden directory in TMPDIR': ({ temporary }) => mkdirSync(join(temporary, '.hidden')),
  'a dangling link in its archive': ({ archive }) => symlinkSync('/nowhere', join(archive, 'link')),
  'something beside them': ({ path }) => writeFileSync(join(path, 'beside'), ''),
  'another mode': ({ tree }) => chmodSync(tree, 0o777),
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
  await workspaces.give(workspace)
  expect(existsSync(workspace.path)).toBe(false)
  expect(workspaces.take().path).not.toBe(workspace.path)
})

test('cleared, it holds nothing, not even what a dead builder left, and goes on', async () => {
  const home = tempDir()
  mkdirSync(join(home, 'cache/work/17/tree'), { recursive: true })
  const workspaces = openWorkspaces(home)
  await workspaces.give(workspaces.take())
  await workspaces.clear()
  expect(existsSync(join(home, 'cache/work/17'))).toBe(false)
  expect(existsSync(workspaces.take().tree)).toBe(true)
})
