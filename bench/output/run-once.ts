// One run of the script given, its output kept as a builder keeps it. Prints its milliseconds and the peak of this process's memory.
import { join } from 'node:path'
import { openShell } from '../../src/executor/shell.ts'
import { openConsoleLog } from '../../src/record/console-log.ts'
import { createMasker } from '../../src/secrets/mask.ts'

const [script, workspace, limit, secrets] = [process.argv[2]!, process.argv[3]!, Number(process.argv[4]), process.argv[5]]
const executor = openShell('auto')
const log = openConsoleLog(join(workspace, 'console.log'), limit)
const masker = secrets === undefined ? undefined : createMasker(secrets.split(','))
const start = performance.now()
const ending = await executor.execute(
  {
    id: `bench/output/1/${process.pid}`,
    script,
    workspace,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    output: (chunk) => log.write(masker === undefined ? chunk : masker.mask(chunk)),
    limits: { timeout: 600_000, grace: 1000 },
    network: 'host',
  },
  new AbortController().signal,
)
log.close()
console.log(JSON.stringify({ verdict: ending.verdict, bytes: log.bytes, milliseconds: performance.now() - start, peak: process.resourceUsage().maxRSS * 1024 }))
