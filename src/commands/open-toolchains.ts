import type { Workshop } from '../build/workshop.ts'
import { hostToolchain, imageDigest } from '../executor/toolchain.ts'
import type { QuernConfig } from './open-config.ts'
import { settingsOf } from './open-executors.ts'

/** What verdicts know a run's programs by: this host's once a process, an image's by its digest. */
export function openToolchains(config: QuernConfig, world: Workshop['world']): Workshop['toolchain'] {
  const { container } = settingsOf(config)
  let host: string | undefined
  return async ({ executor, image }) => {
    if (executor === 'container') return image === undefined ? undefined : imageDigest(image, container)
    return (host ??= hostToolchain(world['PATH'] ?? ''))
  }
}
