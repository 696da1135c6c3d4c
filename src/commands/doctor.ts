import type { Command } from 'commander'
import { homeDirectory } from '../config/home.ts'
import { readable } from '../model/readable.ts'
import { counted, type Check } from './doctor/check.ts'
import { checkContainers } from './doctor/containers.ts'
import { checkCron } from './doctor/cron.ts'
import { checkDisk, checkEntry } from './doctor/disk.ts'
import { checkIsolation } from './doctor/isolation.ts'
import { checkMail } from './doctor/mail.ts'
import { checkPatchwork } from './doctor/patchwork.ts'
import { checkPipelines } from './doctor/pipelines.ts'
import { checkPrograms } from './doctor/programs.ts'
import { checkIndex, checkQueue } from './doctor/queue.ts'
import { checkReceiver } from './doctor/receiver.ts'
import { checkServerSecrets } from './doctor/secrets.ts'
import { checkSettings, readConfig } from './doctor/settings.ts'
import type { QuernConfig } from './open-config.ts'
import { paint, printJson, printLine } from './terminal.ts'

export function define(command: Command): void {
  command
    .option('--json', 'as JSON: {"ok", "checks": [{"name", "state", "found", "remedy"}]}')
    .addHelpText('after', '\nLooks at everything that could stop Quern from working and says what to do about it. Sends no mail and changes nothing.\nExit code 1 where something is wrong; warnings alone give 0.')
    .action(doctor)
}

async function doctor({ json }: { json?: boolean }): Promise<void> {
  const checks = await examine(homeDirectory())
  const wrong = checks.filter(({ state }) => state === 'wrong').length
  if (json) printJson({ ok: wrong === 0, checks })
  else tell(checks, wrong)
  if (wrong > 0) process.exitCode = 1
}

/** Everything is looked at, whatever else is wrong; without settings, what needs none; in a home that is closed to this user, nothing. */
async function examine(home: string): Promise<Check[]> {
  const closed = checkEntry(home)
  if (closed !== undefined) return [closed]
  const { config, check } = await readConfig()
  const [programs, isolation, cron, containers, ...configured] = await Promise.all([
    checkPrograms(),
    checkIsolation(wantedIsolation(home, config)),
    checkCron(home),
    config === undefined ? [] : checkContainers(config),
    ...(config === undefined ? [] : [checkReceiver(config), checkMail(config), checkServerSecrets(config), checkPatchwork(config), checkPipelines(config)]),
  ])
  return [...programs, ...isolation, containers, check, ...(config === undefined ? [] : checkSettings(config)), ...checkDisk(home), ...cron, ...configured, checkQueue(home), checkIndex(home)].flat()
}

/** With settings that cannot be read, their defaults. */
function wantedIsolation(home: string, config: QuernConfig | undefined) {
  return { home, treeKill: config?.settings.TREE_KILL ?? ('auto' as const), networkGranted: (config?.structure.grants.untrusted_network ?? []).length > 0 }
}

const marks = { ok: paint('green', 'ok     '), warning: paint('yellow', 'warning'), wrong: paint('red', 'wrong  ') }

function tell(checks: Check[], wrong: number): void {
  for (const { name, state, found, remedy } of checks) {
    printLine(`${marks[state]}  ${name}: ${readable(found)}`)
    if (remedy !== undefined) printLine(`         ${paint('bold', 'do:')} ${remedy}`)
  }
  const warnings = checks.filter(({ state }) => state === 'warning').length
  printLine(`\n${wrong === 0 ? 'Nothing stops Quern from working' : `${counted(wrong, 'thing is', 'things are')} wrong`}${warnings === 0 ? '.' : `; ${counted(warnings, 'warning', 'warnings')}.`}`)
}
