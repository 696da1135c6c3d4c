import { join } from 'node:path'
import type { Evaluate } from '../build/settle/evaluate-pipeline.ts'
import { openSettler } from '../build/settle/settle.ts'
import { homeId, worldOf } from '../build/world.ts'
import type { Workshop } from '../build/workshop.ts'
import { installation } from '../config/home.ts'
import type { Mirror } from '../git/mirror.ts'
import { gitWorld } from '../git/run-git.ts'
import { mayUseNetwork } from '../plan/grants.ts'
import type { QuernConfig } from './open-config.ts'
import type { Executors } from './open-executors.ts'
import { sourceOf } from './open-patchwork.ts'
import { pipelineFor, planSettings } from './plan-settings.ts'

/** Milliseconds that an evaluation has between SIGTERM and SIGKILL. */
const grace = 1000

/** What settles requests by the settings of this home; of `mirror`, where nothing is to be fetched. */
export function openSettlerOf(config: QuernConfig, { executor, guardWork }: Executors, mirror?: Mirror): Workshop['settle'] {
  return openSettler({
    ...(mirror !== undefined && { mirror }),
    cache: join(config.home, 'cache/git'),
    // Marked like a run: what git had started when a builder was killed is ended before its entry is built again.
    gitWorld: { ...gitWorld(config.environment), QUERN_RUN: `${homeId(config.home)}/git` },
    token: { token: config.settings.CLONE_TOKEN, host: config.settings.CLONE_TOKEN_HOST },
    choose: (request) => pipelineFor(config, request),
    plan: planSettings(config),
    evaluate: evaluateWith(config, executor),
    guardWork,
    home: config.home,
    secretsEnv: config.settings.SECRETS_ENV,
    secretGrants: config.structure.grants.secrets,
    seriesSource: (series) => sourceOf(config, series),
  })
}

/** Most homes build by chunks and never evaluate a file: then none of this is loaded. */
function evaluateWith({ home, settings, environment, structure }: QuernConfig, executor: Workshop['executor']): Evaluate {
  return async (file, signal) => {
    const { openEvaluator } = await import('../build/settle/evaluate-pipeline.ts')
    const evaluate = openEvaluator({
      home,
      homeId: homeId(home),
      world: worldOf(environment, settings.BUILD_ENV),
      limits: { grace },
      executor,
      program: join(installation(), 'dist/pipeline'),
      trustedExecutor: settings.PIPELINE_EXECUTOR,
      timeout: settings.PIPELINE_TIMEOUT,
      mayUseNetwork: (request) => mayUseNetwork(request, structure.grants),
    })
    return evaluate(file, signal)
  }
}
