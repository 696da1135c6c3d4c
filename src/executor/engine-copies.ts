import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { removeForced } from '../disk/remove.ts'
import type { Engine } from './engine.ts'
import { quoted } from './environment-file.ts'
import type { Execution } from './executor.ts'
import { asStranger } from './hand-over.ts'
import { isRoot } from './is-root.ts'

/*
 * An engine on another host sees no directory of this one: what a run works on is copied there as an archive, and its
 * workspace back. Left to make the archive itself, the engine's command line would give the files to this host's user, who
 * is a stranger inside; and it refuses the whole of a workspace for one link that leads out, which any commit can hold.
 */

/** What is copied belongs to `user`, who runs inside; `shown` becomes /quern. @returns why something could not be copied */
export async function copyIn(engine: Engine, name: string, { workspace, id, mounts = [] }: Execution, { shown, user, signal }: { shown: string; user: string; signal: AbortSignal }): Promise<string | undefined> {
  const environment = join(shown, 'environment.sh')
  writeFileSync(environment, Buffer.concat([await takeLinksOut(workspace), readFileSync(environment)]))
  for (const { from, to } of [{ from: workspace, to: workspace }, { from: shown, to: '/quern' }, ...mounts.filter(({ portable }) => portable)]) {
    let tar: Promise<string> | undefined
    const input = (archive: NonNullable<ChildProcess['stdin']>) => void (tar = complaintOf(startTar(['--create', ...ownedBy(user), '.'], id, { cwd: from, stdio: ['ignore', archive, 'pipe'] })))
    const { ok, stderr } = await engine.runUntil({ signal, mark: id, input }, 'cp', '-', `${name}:${to}`)
    const problem = [ok ? '' : stderr, await tar].filter(Boolean).join('; ')
    if (problem !== '') return `copying ${from} to the engine's host: ${problem}`
  }
  return undefined
}

/** A user with a name has a number only inside: to that one all is open. */
function ownedBy(user: string): string[] {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? []
  return uid === undefined ? ['--owner=0', '--group=0', '--mode=a+rwX'] : [`--owner=${uid}`, `--group=${gid ?? 0}`]
}

/** Links that an engine refuses, as leading out by their words. @returns the shell text that makes them again inside */
async function takeLinksOut(workspace: string): Promise<Buffer> {
  const commands: string[] = []
  for await (const path of linksBelow(Buffer.from(workspace))) {
    const [at, to] = [path.toString('latin1'), readlinkSync(path, { encoding: 'buffer' }).toString('latin1')]
    if (join(dirname(at), to).startsWith(`${Buffer.from(workspace).toString('latin1')}/`)) continue
    commands.push(`ln -s -- ${quoted(to)} ${quoted(at)}\n`)
    unlinkSync(path)
  }
  return Buffer.from(commands.join(''), 'latin1')
}

/** In bytes: a name need not be text. */
async function* linksBelow(directory: Buffer): AsyncGenerator<Buffer> {
  for (const entry of await readdir(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), entry.name])
    if (entry.isSymbolicLink()) yield path
    else if (entry.isDirectory()) yield* linksBelow(path)
  }
}

/**
 * In the place of what was copied in: tar removes nothing that the run did. What comes is a stranger's. tar makes links that
 * lead out last of all, so that it writes nothing through them; started by root, it works as a user who owns nothing else, and
 * so makes no device either. @throws where it cannot be copied
 */
export async function copyOut(engine: Engine, name: string, { workspace, id }: Execution, signal: AbortSignal): Promise<void> {
  for (const entry of readdirSync(workspace)) await removeForced(join(workspace, entry))
  const unpack = async (uid?: number) => {
    const tar = startTar(['--extract', '--no-same-owner', '--no-same-permissions'], id, { cwd: workspace, stdio: ['pipe', 'ignore', 'pipe'], ...(uid !== undefined && { uid, gid: uid }) })
    const complaint = complaintOf(tar)
    const { ok, stderr } = await engine.runUntil({ signal, mark: id, output: tar.stdin! }, 'cp', `${name}:${workspace}/.`, '-')
    return [ok ? '' : stderr, await complaint].filter(Boolean).join('; ')
  }
  const problem = await (isRoot() ? asStranger(workspace, unpack) : unpack())
  if (problem !== '') throw new Error(`copying the workspace back from the engine's host: ${problem}`)
}

/** The mark finds it where the builder was killed. */
function startTar(options: string[], mark: string, given: { cwd: string; stdio: StdioOptions; uid?: number; gid?: number }): ChildProcess {
  return spawn('tar', [...options.slice(0, 1), '--file', '-', ...options.slice(1)], { env: { PATH: process.env['PATH'], LC_ALL: 'C', QUERN_RUN: mark }, ...given })
}

/** What it complains about, where it failed. */
function complaintOf(tar: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let complaint = ''
    tar.on('error', (error) => resolve(`tar: ${error.message}`))
    tar.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(0, 500)))
    tar.on('close', (code) => resolve(code === 0 ? '' : complaint.trim() || `tar ended with ${code}`))
  })
}
