// .quern/pipeline.ts of a web application: lint and types first, then tests beside a database, then publishing.
import { pipeline } from 'quern'

export default pipeline({ image: 'node:22', timeout: 20 }, (p) => {
  p.job('lint', 'npm ci && npm run lint')

  p.stage('test', () => {
    p.job('db', 'exec docker-entrypoint.sh postgres', {
      service: true,
      image: 'postgres:17',
      env: { POSTGRES_PASSWORD: 'only-for-tests' },
      ready: 'pg_isready --host 127.0.0.1',
    })
    for (const { BROWSER, SCREEN } of p.matrix({ BROWSER: ['firefox', 'chromium'], SCREEN: ['phone', 'desktop'] }))
      p.job(`test ${BROWSER} ${SCREEN}`, 'npm ci && npm test', { env: { BROWSER, SCREEN, DATABASE_HOST: 'db' }, artifacts: ['screenshots/**'] })
    if (p.repo.changed('docs/**')) p.job('docs', 'npm ci && npm run docs')
  })

  if (p.repo.branch === 'main') p.job('publish', './publish.sh', { deploy: true, secrets: ['NPM_TOKEN'], group: 'publish' })
})
