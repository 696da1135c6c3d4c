import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/helpers/build-once.ts',
    pool: 'forks',
    // Most tests wait for processes that they have started: four files at once are not too many for two cores.
    maxWorkers: Math.max(4, availableParallelism()),
    // They end what hangs: a busy machine takes ten times as long as a quiet one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    sequence: { shuffle: true },
    tags: [{ name: 'long', description: 'seconds by itself, or one of many that try each moment of something; npm test leaves it to npm run test:long, and .ci/run runs both' }],
  },
})
