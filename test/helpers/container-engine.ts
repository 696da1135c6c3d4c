import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContainerSettings } from '../../src/executor/container.ts'
import { findEngine } from '../../src/executor/engine.ts'
import { findProgram } from '../../src/executor/find-program.ts'

/** The image of the tests: empty, with this host's programs mounted into it. */
export const testImage = 'localhost/quern-test:1'

export const hostPrograms = { from: '/usr', to: '/usr', readonly: true }

/** A podman with a store of its own, or why there is none here, which it says as well. `remove` takes it away again. */
export function openTestEngine(): { settings: ContainerSettings; remove(): void } | string {
  const opened = tryEngine()
  if (typeof opened === 'string') console.warn(`skipped: containers, because ${opened}`)
  return opened
}

function tryEngine(): ReturnType<typeof openTestEngine> {
  if (process.getuid?.() !== 0) return 'podman with a store of its own needs root'
  if (findProgram('podman') === undefined) return 'podman is not installed: apt-get install podman runc'
  const directory = mkdtempSync(join(tmpdir(), 'quern-engine-'))
  const options = ['--root', join(directory, 'store'), '--runroot', join(directory, 'run'), '--storage-driver', 'vfs', '--tmpdir', join(directory, 'tmp')]
  const settings: ContainerSettings = { engine: 'podman', engineOptions: options, engineEnvironment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: directory }, pull: 'never', user: 'auto' }
  const remove = () => {
    const engine = findEngine(settings)
    if (typeof engine !== 'string') spawnSync(engine.command[0]!, [...engine.command.slice(1), 'rm', '--all', '--force', '--time', '0'])
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  const problem = importImage(settings, join(directory, 'image'))
  if (problem === undefined) return { settings, remove }
  remove()
  return problem
}

function importImage(settings: ContainerSettings, skeleton: string): string | undefined {
  const engine = findEngine(settings)
  if (typeof engine === 'string') return engine
  for (const name of ['usr', 'etc', 'tmp', 'var/tmp', 'proc', 'dev', 'sys', 'run']) mkdirSync(join(skeleton, name), { recursive: true })
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(skeleton, name))
  chmodSync(join(skeleton, 'tmp'), 0o1777)
  const archive = execFileSync('tar', ['-C', skeleton, '-c', '.'])
  const made = spawnSync(engine.command[0]!, [...engine.command.slice(1), 'import', '-', testImage], { input: archive, env: settings.engineEnvironment, encoding: 'utf8' })
  if (made.status !== 0) return `podman cannot import an image here: ${made.stderr}`
  const tried = spawnSync(engine.command[0]!, [...engine.command.slice(1), 'run', '--rm', '--network', 'none', ...engine.createOptions, '-v', '/usr:/usr:ro', testImage, '/bin/true'], { env: settings.engineEnvironment, encoding: 'utf8', timeout: 60_000 })
  return tried.status === 0 ? undefined : `podman cannot start a container here: ${tried.stderr}`
}
