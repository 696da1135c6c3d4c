// Lets the Nth call to the file system fail or be the last: `node --import ./test/helpers/fault.mjs program.mjs`, or
// imported by a test before everything else, then `armFault`. It counts calls by their plain name (`rename` is
// renameSync, rename with a callback, promises.rename and FileHandle methods alike) whose path, or whose descriptor's path, lies under a directory.
//
//   FAULT_CALL   names, like "fsync,rename"; default: every call that changes something
//   FAULT_AT     which of these calls, from 1
//   FAULT_ERROR  a code like ENOSPC, or KILL for a SIGKILL just before the call
//   FAULT_PATH   the directory; default: any
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { constants } from 'node:os'

const changing = ['open', 'write', 'fsync', 'fdatasync', 'ftruncate', 'truncate', 'link', 'symlink', 'rename', 'unlink', 'rm', 'mkdir', 'rmdir', 'writeFile', 'appendFile', 'copyFile', 'utimes']
const others = ['close', 'readFile', 'readdir', 'lstat', 'stat']
const ofHandles = { sync: 'fsync', datasync: 'fdatasync', write: 'write', writeFile: 'writeFile', appendFile: 'appendFile', truncate: 'ftruncate' }

/** Where each open descriptor leads. */
const opened = new Map()
let armed

/** From now on the call number `at` fails with `error`; @returns how many were counted, and whether it happened. */
export function armFault({ calls = changing, at, error, under = '' }) {
  armed = { calls, at, error, under, count: 0 }
  const mine = armed
  return { count: () => mine.count, happened: () => mine.count >= mine.at }
}

export function disarmFault() {
  armed = undefined
}

/** The error to give instead of the call, if this is the one. */
function fault(call, target) {
  if (armed === undefined || !armed.calls.includes(call)) return undefined
  const path = typeof target === 'number' ? opened.get(target) : String(target)
  if (path === undefined || !path.startsWith(armed.under) || ++armed.count !== armed.at) return undefined
  if (armed.error === 'KILL') process.kill(process.pid, 'SIGKILL')
  return Object.assign(new Error(`${armed.error}: injected into ${call} '${path}'`), { code: armed.error, errno: -constants.errno[armed.error], syscall: call, path })
}

function note(call, target, result) {
  if (call === 'open' && typeof result === 'number') opened.set(result, String(target))
  if (call === 'close') opened.delete(target)
}

function patchSync(call, original) {
  return function (target, ...rest) {
    const error = fault(call, target)
    if (error !== undefined) throw error
    const result = original.call(this, target, ...rest)
    note(call, target, result)
    return result
  }
}

function patchCallback(call, original) {
  return function (target, ...rest) {
    const error = fault(call, target)
    const done = rest.at(-1)
    if (typeof done !== 'function') return original.call(this, target, ...rest)
    if (error !== undefined) return process.nextTick(done, error)
    return original.call(this, target, ...rest.slice(0, -1), (problem, ...results) => {
      if (!problem) note(call, target, results[0])
      done(problem, ...results)
    })
  }
}

function patchPromise(call, original) {
  return async function (target, ...rest) {
    const error = fault(call, target)
    if (error !== undefined) throw error
    const result = await original.call(this, target, ...rest)
    if (call === 'open') {
      patchHandles(Object.getPrototypeOf(result))
      opened.set(result.fd, String(target))
    }
    return result
  }
}

/** FileHandle is no export: its methods are reached through the first handle. */
function patchHandles(prototype) {
  if (prototype.faulty) return
  prototype.faulty = true
  for (const [method, call] of Object.entries(ofHandles)) {
    const original = prototype[method]
    prototype[method] = async function (...rest) {
      const error = fault(call, this.fd)
      if (error !== undefined) throw error
      return original.apply(this, rest)
    }
  }
}

for (const call of [...changing, ...others]) {
  if (fs[`${call}Sync`]) fs[`${call}Sync`] = patchSync(call, fs[`${call}Sync`])
  if (fs[call]) fs[call] = patchCallback(call, fs[call])
  if (fs.promises[call]) fs.promises[call] = patchPromise(call, fs.promises[call])
}
syncBuiltinESMExports()

const { FAULT_CALL, FAULT_AT, FAULT_ERROR, FAULT_PATH } = process.env
if (FAULT_AT !== undefined) armFault({ calls: FAULT_CALL?.split(','), at: Number(FAULT_AT), error: FAULT_ERROR, under: FAULT_PATH })
