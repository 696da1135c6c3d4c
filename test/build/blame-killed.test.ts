/** @module-tag long */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { aBlameHome } from '../helpers/a-blame-home.ts'
import { writeHistory, type Written } from '../helpers/history.ts'
import { smtpListener } from '../helpers/smtp.ts'

const fault = pathToFileURL(resolve('test/helpers/fault.mjs')).href

/** The steps on the way from a failure to its mail: a call, where, and which one of them. */
const steps: [call: string, path: string, at: number][] = [
  ['rename', 'builds/check/1/.blame.json', 1],
  ['rename', 'ledger/held', 1],
  ['rename', 'builds/check/1/.status.tmp', 1],
  ['rename', 'queue/tmp', 1],
  ['rename', 'queue/claimed', 1],
  ['rename', 'builds/check/1/.blame.json', 3],
  ['rename', 'builds/check/1/reports', 1],
  ['rename', 'builds/check/1/.result.json', 2],
  ['link', 'builds/check/1/reports', 1],
  ['rm', 'ledger/held', 1],
  ['rename', 'queue/claimed', 3],
]

const commits: Written[] = ['good', 'bad', 'bad'].map((state, index) => ({ files: { state, id: `c${index}` }, parents: index === 0 ? [] : [index], person: `${index}@example.org` }))

test.each(steps)('killed at %s of %s (%i), the next builder tells the one who broke it, once, and nobody before that is known', async (call, place, at) => {
  const smtp = await smtpListener()
  const { path, ids } = writeHistory(commits, { main: 3 })
  const { home, push, build, results, list, resultOf } = aBlameHome(path, { SMTP_URL: smtp.url, BLAME_RETRY: '0' })
  const entry = push('check', ids[2]!, { before: ids[0]! })
  const killed = await build([], { NODE_OPTIONS: `--import ${fault}`, FAULT_CALL: call, FAULT_PATH: join(home, place), FAULT_AT: String(at), FAULT_ERROR: 'KILL' })
  expect(killed.code).not.toBe(0)
  const before = join(home, 'builds/check/1/result.json')
  if (smtp.taken.length > 0) expect(JSON.parse(readFileSync(before, 'utf8'))).toMatchObject({ blame: { class: 'new' } })
  else if (!existsSync(before)) expect(list('outbox').filter((name) => name !== 'dead')).toEqual([])
  await build()
  expect(resultOf(entry)).toMatchObject({ verdict: 'failed', blame: { class: 'new', commit: ids[1] } })
  expect(smtp.taken.map(({ to }) => to)).toEqual([['1@example.org']])
  expect(results().map(({ commit_id: commit }) => commit).toSorted()).toEqual([...ids].toSorted())
  expect(['queue', 'queue/low', 'queue/claimed', 'ledger/held'].flatMap(list).filter((name) => !['low', 'tmp', 'claimed', 'bad'].includes(name))).toEqual([])
})
