import { armFault, disarmFault } from '../helpers/fault.mjs'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { grindQueue } from '../../src/build/builder.ts'
import { configSchema } from '../../src/commands/open-config.ts'
import { openWorkshop } from '../../src/commands/open-workshop.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import { aHome } from '../helpers/a-home.ts'

const secret = 'not-a-real-secret'

test('what the system says of a full disk is told without the secret that a job named a file by', async () => {
  onTestFinished(disarmFault)
  const { home, drop, result } = aHome()
  drop()
  const workshop = openWorkshop(await loadConfig(home, configSchema), 1)
  const run: PlannedRun = { name: 'leave', job: 'leave', executor: 'shell', script: '', needs: [], workspace: 'none', env: {}, params: {}, secrets: [], timeout: 1, network: true, artifacts: ['*.txt'] }
  workshop.settle = async (request) => ({ plan: { pipeline: 'file:a.ts', why: 'a test', runs: [run], notify: [] }, request, disclose: async () => ({ env: {}, hidden: [secret], withheld: [] }) })
  workshop.executor = async () => ({
    execute: async ({ start }) => {
      writeFileSync(join(start!, `${secret}.txt`), '')
      armFault({ calls: ['copyFile'], at: 1, error: 'ENOSPC', under: start! })
      return { verdict: 'passed' }
    },
  })
  await grindQueue(workshop, { endLeftovers: async () => {}, stop: new AbortController().signal })
  expect(result('app/1').runs).toMatchObject([{ verdict: 'errored', reason: expect.stringMatching(/ENOSPC.*\/\*\*\*\.txt/) }])
  for (const path of ['builds/app/1/result.json', 'builds/app/1/summary.log', 'builds/index.jsonl', 'logs/build.log']) expect(readFileSync(join(home, path), 'utf8'), path).not.toContain(secret)
})
