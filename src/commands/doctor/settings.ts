import { statSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../../config/config-error.ts'
import { readEnvironmentFile } from '../../config/environment.ts'
import { orMissing } from '../../disk/read.ts'
import { configSchema, openConfig, type QuernConfig } from '../open-config.ts'
import { openHooks } from '../open-hooks.ts'
import { UserError } from '../user-error.ts'
import { ok, warning, wrong, type Check } from './check.ts'

/** Reads the configuration; what is wrong with it is a check, and the rest can then not be looked at. */
export async function readConfig(): Promise<{ config?: QuernConfig; check: Check }> {
  try {
    const config = await openConfig()
    return { config, check: ok('settings', 'environment.sh and quern.yaml are read') }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { check: wrong('settings', error.message, 'mend the file; docs/settings.md explains every name') }
  }
}

export function checkSettings(config: QuernConfig): Check[] {
  return [checkFile(config.home), ...checkStructure(config), checkSecrets(config), ...checkNames(config), checkAdmin(config)]
}

function checkFile(home: string): Check {
  const path = join(home, 'environment.sh')
  const stats = orMissing(() => statSync(path))
  if (stats === undefined) return warning('environment.sh', 'there is none: every setting has its default', `make one with quern init, or copy environment.example.sh to ${path}`)
  if ((stats.mode & 0o077) !== 0) return warning('environment.sh', `others may read the secrets in it (mode ${(stats.mode & 0o777).toString(8)})`, `chmod 600 ${path}`)
  return ok('environment.sh', 'only its owner reads it')
}

/** quern.yaml is for others to read, too, unless a secret itself stands in it. */
function checkStructure({ home, structure }: QuernConfig): Check[] {
  const path = join(home, 'quern.yaml')
  const mode = orMissing(() => statSync(path))?.mode ?? 0
  if ((mode & 0o077) === 0 || structure.hooks.every(({ secret }) => secret === undefined)) return []
  return [warning('quern.yaml', `others may read the secrets of hooks in it (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}, or name variables of environment.sh by secret_env`)]
}

function checkSecrets(config: QuernConfig): Check {
  try {
    const hooks = openHooks(config)
    const short = hooks.filter(({ secret }) => secret.length < 16).map(({ id }) => id)
    if (short.length > 0) return warning('secret', `the secret of ${short.join(', ')} is shorter than 16 characters and may be guessed`, 'make one with: openssl rand -hex 32, and set it here and on the forge')
    return ok('secret', `set for ${hooks.map(({ id }) => id).join(', ')}`)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return wrong('secret', error.message, `make one with: openssl rand -hex 32, and set it in ${config.home}/environment.sh and on the forge`)
  }
}

/** A name that is nearly one of ours is a slip; any other may be meant for jobs. */
function checkNames({ home }: QuernConfig): Check[] {
  const known = Object.keys(configSchema.settings)
  return Object.entries(readEnvironmentFile(join(home, 'environment.sh')).lines).flatMap(([name, line]) => {
    const meant = known.includes(name) ? undefined : known.find((other) => isNear(name.toUpperCase(), other))
    return meant === undefined ? [] : [warning('names', `environment.sh:${line} sets ${name}, which is no setting`, `did you mean ${meant}?`)]
  })
}

function checkAdmin({ settings }: QuernConfig): Check {
  if (settings.MAIL_ADMIN === undefined) return warning('MAIL_ADMIN', 'not set: nobody hears of builds that errored by this server\'s fault', 'export MAIL_ADMIN="you@example.org" in environment.sh')
  return ok('MAIL_ADMIN', settings.MAIL_ADMIN)
}

/** Whether one slip of the finger lies between two names: a letter too much, too few, another one, or two swapped. */
export function isNear(one: string, other: string): boolean {
  if (one === other) return true
  const [short, long] = one.length <= other.length ? [one, other] : [other, one]
  if (long.length < 4 || long.length - short.length > 1) return false
  let start = 0
  while (start < short.length && short[start] === long[start]) start++
  if (short.length < long.length) return short.slice(start) === long.slice(start + 1)
  if (short.slice(start + 1) === long.slice(start + 1)) return true
  return short[start] === long[start + 1] && short[start + 1] === long[start] && short.slice(start + 2) === long.slice(start + 2)
}
