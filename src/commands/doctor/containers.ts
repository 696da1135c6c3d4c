import { findEngine, type Engine } from '../../executor/engine.ts'
import { askedExecutor } from '../../plan/job-definition.ts'
import { readJobDefinitions } from '../../plan/read-job-definitions.ts'
import type { QuernConfig } from '../open-config.ts'
import { settingsOf } from '../open-executors.ts'
import { jobDefinitions } from '../plan-settings.ts'
import { userName } from '../user-name.ts'
import { ok, wrong, type Check } from './check.ts'

/** Milliseconds in which an engine is to answer. */
const patience = 10_000

/** Whether there is an engine and, where a job names an image, whether this user may use it. */
export async function checkContainers(config: QuernConfig): Promise<Check> {
  const { home, settings } = config
  const job = await jobWithImage(home)
  const engine = findEngine(settingsOf(config).container)
  const wanted = job === undefined ? '' : `, and the job ${job} names an image`
  if (typeof engine !== 'string') return job === undefined ? ok('containers', engine.command[0]!) : tryEngine(engine, wanted)
  if (settings.ENGINE !== 'auto' || job !== undefined) return wrong('containers', `${settings.ENGINE === 'auto' ? 'no podman or docker' : `ENGINE is ${settings.ENGINE}, which is not installed`}${wanted}`, `install it: ${engine.slice(engine.indexOf('apt-get'))}`)
  return ok('containers', 'no podman or docker: only jobs that name an image need one')
}

/** The first job definition whose runs are in containers; what repositories ask for is known only when they are built. */
async function jobWithImage(home: string): Promise<string | undefined> {
  // Files that may not be read are told by what reads them.
  const { definitions } = await readJobDefinitions(jobDefinitions(home)).catch(() => ({ definitions: [] }))
  return definitions.find((definition) => askedExecutor(definition) === 'container')?.name
}

/** Listing what runs is the cheapest that needs all of it: a daemon's socket, or an ordinary user's namespaces and storage. */
async function tryEngine(engine: Engine, wanted: string): Promise<Check> {
  const late = AbortSignal.timeout(patience)
  const { ok: answered, stderr } = await engine.runUntil({ signal: late }, 'ps', '--quiet')
  if (answered) return ok('containers', `${engine.name} answers (${engine.command[0]})`)
  const complaint = late.aborted ? `no answer within ${patience / 1000} s` : stderr.split('\n').filter(Boolean).slice(-2).join('; ').slice(-500)
  return wrong('containers', `${engine.name} cannot be used by ${userName()}${wanted}: ${complaint}`, remedyFor(engine))
}

function remedyFor({ name, remote }: Engine): string {
  const user = userName()
  if (remote) return `see that ${user} reaches the machine that the engine is on: ${name} ps`
  if (name === 'docker') return `start its daemon (systemctl enable --now docker), and let ${user} use it, which makes ${user} as mighty as root: usermod -aG docker ${user}; then start the receiver anew`
  return `podman ps, as ${user}, is to end without an error; it needs user namespaces (sysctl user.max_user_namespaces=10000), apt install uidmap, and numbers for ${user}: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`
}
