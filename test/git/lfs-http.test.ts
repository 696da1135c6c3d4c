import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { checkOut } from '../../src/git/check-out.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { gitHttp } from '../helpers/git-http.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const env = gitWorld(process.env)
const token = 'not-a-real-token-456'
const content = 'a large file'
const oid = createHash('sha256').update(content).digest('hex')


test.skipIf(!isInstalled('git-lfs', 'apt-get install git-lfs'))('a private LFS server on the repository\'s own host gets the token, one that .lfsconfig names does not', async () => {
  const stray: string[] = []
  const elsewhere = await gitHttp(tempDir(), { other: lfsAnswer(stray) })
  const repo = gitRepo()
  const commit = repo.commit({
    '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
    '.lfsconfig': `[lfs]\n\turl = ${elsewhere.url}/x.git/info/lfs\n`,
    'big.bin': `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`,
  })
  const asked: string[] = []
  const server = await gitHttp(dirname(repo.path), { password: token, other: lfsAnswer(asked) })
  const cache = tempDir()
  const mirrors = openMirrors(cache, { env })
  const mirror = await mirrors.fetchMirror(`${server.url}/${basename(repo.path)}/.git`, { commit, token })
  for (const name of ['one', 'two']) {
    const directory = join(tempDir(), name)
    await checkOut({ mirrors, mirror, commit, directory, trusted: true, token })
    expect(readFileSync(join(directory, 'big.bin'), 'utf8')).toBe(content)
  }
  expect(asked.filter((path) => path.endsWith('/objects/batch'))).toHaveLength(1)
  expect(stray).toEqual([])
  expect(execFileSync('sh', ['-c', 'grep -rl "$0" . || true', token], { cwd: cache, encoding: 'utf8' })).toBe('')
})

/** Git LFS' batch API: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md */
function lfsAnswer(asked: string[]) {
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const path = request.url ?? ''
    if (path.includes('/info/lfs/')) {
      asked.push(path)
      const href = `http://${request.headers.host}/objects/${oid}`
      void text(request).then(() => {
        response.writeHead(200, { 'content-type': 'application/vnd.git-lfs+json' })
        response.end(JSON.stringify({ objects: [{ oid, size: content.length, actions: { download: { href } } }] }))
      })
      return true
    }
    if (path !== `/objects/${oid}`) return false
    response.end(content)
    return true
  }
}
