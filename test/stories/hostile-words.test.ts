import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aServer } from '../helpers/a-server.ts'
import { payload } from '../helpers/receiver.ts'
import { smtpListener } from '../helpers/smtp.ts'

// eslint-disable-next-line no-control-regex
const harmful = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200f\u202e]/

const spoken = `printf 'ref <%s>\\nname <%s>\\nmail <%s>\\n' "$REF" "$COMMITTER_NAME" "$COMMITTER_EMAIL"
printf 'again <%s>\\n' "{ref}" "{committer_name}" "\${{COMMITTER_EMAIL}}"
exit 3
`

test('hostile refs, names and addresses reach the chunk as they are, and neither shell, mail nor terminal suffers', async () => {
  const smtp = await smtpListener()
  const server = await aServer({ chunks: { build_packages: spoken }, settings: { SMTP_URL: smtp.url, MAIL_ADMIN: 'admin@example.org', BUILD_ON_PUSH: '0', CLONE_BASE: '' } })
  const mark = join(server.home, 'pwned')
  const attack = `$(touch\${IFS}${mark})`
  const requests = [
    { ref: `refs/heads/a";'$(id);\`id\`${attack}`, name: `"'; touch ${mark}; ${attack} \`touch ${mark}\` ../../..`, email: `"$(touch${'${IFS}'}${mark})"@example.org` },
    { ref: 'refs/heads/\u202ereversed', name: 'Ada\u202e\u200f\r\nBcc: evil@example.org\r\n\r\nbody\u0000\u001b[2Jclear\u001b]0;title\u0007', email: 'ada@example.org\r\nBcc: evil@example.org' },
    { ref: `refs/heads/${'r'.repeat(980)}`, name: 'n'.repeat(10_000), email: `${'a'.repeat(10_000)}@example.org` },
    { ref: 'refs/heads/--upload-pack=touch', name: '-- -rf /', email: '-oQ/tmp@example.org' },
  ]
  const receiver = await server.serve()
  for (const [index, { ref, name, email }] of requests.entries()) {
    const body = payload('push', (push) => {
      Object.assign(push, { ref })
      Object.assign(push.head_commit, { message: name, author: { name, email }, committer: { name, email } })
      push.pusher = { name, email }
    })
    expect(await receiver.deliver(body, { id: `d${index}` })).toMatchObject({ status: 202 })
  }
  // This one has no address to clone from, and so no console: its summary is shown.
  await receiver.deliver(payload('push', (push) => (Object.assign(push, { ref: requests[1]!.ref }), delete push.repository.clone_url)), { id: 'errored' })
  const outputs = [await server.quern('queue')]
  expect(await server.build(['--threads', '2'])).toMatchObject({ code: 0, stderr: '' })
  for (const [index, { ref, name }] of requests.entries()) {
    const console = server.console(`Codertocat~Hello-World/${index + 1}`)
    const kept = name.replace(/\p{Cc}+/gu, ' ').trim().slice(0, 300)
    expect(console).toContain(`\nref <${ref}>\nname <${kept}>\n`)
    expect(console).toContain(`\nagain <${ref}>\nagain <${kept}>\n`)
    outputs.push(await server.quern('show', `Codertocat~Hello-World/${index + 1}`), await server.quern('why', `d${index}`))
  }
  expect(existsSync(mark)).toBe(false)
  expect(server.result('Codertocat~Hello-World/5').verdict).toBe('errored')
  outputs.push(await server.quern('show', 'Codertocat~Hello-World/5'), await server.quern('builds'), await server.quern('logs'))
  for (const { code, stdout } of outputs) {
    expect(code).toBe(0)
    expect(stdout).not.toMatch(harmful)
  }
  expect(smtp.taken.length).toBeGreaterThan(0)
  for (const { to, email, raw, text } of smtp.taken) {
    expect(to).toHaveLength(1)
    expect(email.bcc ?? []).toEqual([])
    expect(email.headers.map(({ key }) => key)).not.toContain('bcc')
    expect(raw.split('\r\n\r\n')[0]).not.toMatch(/evil/)
    expect(text).not.toMatch(harmful)
  }
})

test('refs and repository names that git would refuse or that climb are malformed, and nothing is queued', async () => {
  const server = await aServer({ settings: { BUILD_ON_PUSH: '0' } })
  const receiver = await server.serve()
  const changes: ((push: { ref: string; repository: Record<string, string> }) => void)[] = [
    ...['refs/heads/a\nb', 'refs/heads/a\0b', 'refs/heads/../../x', 'refs/heads/a b', `refs/heads/${'r'.repeat(10_000)}`, '-x', ''].map((ref) => (push: { ref: string }) => void (push.ref = ref)),
    ...['../evil', 'a/b', 'a\nb', 'a;b', '$(id)', '--exec=id', '..', 'a\0b', 'n'.repeat(10_000)].map((name) => (push: { repository: Record<string, string> }) => void (push.repository['name'] = name)),
    ...['../../etc/passwd', 'a/../b', 'owner/$(id)', 'owner/a\nb'].map((name) => (push: { repository: Record<string, string> }) => void (push.repository['full_name'] = name)),
    ...['--upload-pack=touch /tmp/x', 'ext::sh -c id', 'https://a b/', 'https://a/\n'].map((url) => (push: { repository: Record<string, string> }) => void (push.repository['clone_url'] = url)),
  ]
  for (const change of changes) expect(await receiver.deliver(payload('push', change))).toMatchObject({ status: 400, body: { result: 'refused', reason: expect.stringContaining('expected') } })
  expect(server.list('queue').filter((name) => name.endsWith('.json'))).toEqual([])
  expect(server.read('logs/webhook.log')).not.toMatch(/\\u0000|\u202e/)
})
