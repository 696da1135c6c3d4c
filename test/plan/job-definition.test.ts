import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readJobDefinition, readJobDefinitions } from '../../src/plan/read-job-definitions.ts'
import { tempDir } from '../helpers/temp-dir.ts'

function directoryOf(files: Record<string, string>): string {
  const directory = tempDir()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  return directory
}

/** The messages about one definition, without its directory. */
async function problemsOf(text: string): Promise<string> {
  const directory = directoryOf({ 'job.yml': text })
  return (await readJobDefinitions(directory)).problems.join('\n').replaceAll(`${directory}/`, '')
}

test('a definition is read as BYA wrote it', async () => {
  expect(await readJobDefinition('test/fixtures/job-defs', 'example')).toMatchObject({
    name: 'example',
    timeout: 5,
    archive: true,
    containers: [{ image: 'ubuntu', host_tag: '*' }, { image: 'registry.example.org/debian:12' }],
    params: [{ name: 'git_branch', choices: ['master', 'v2'] }, { name: 'foobar' }],
    secrets: ['SERVICE_FOO_TOKEN'],
    notify: [{ type: 'email', users: ['watcher@example.org'] }],
    retention: { unit: 'days', value: 7 },
    script: 'echo "${git_branch} foobar=${foobar}"\n',
    network: true,
  })
})

test('folders are groups', async () => {
  const { definitions, problems } = await readJobDefinitions('test/fixtures/job-defs')
  expect(definitions.map(({ name }) => name)).toEqual(['example', 'x86/configure', 'x86/fate', 'x86/make'])
  expect(problems).toEqual([])
})

test('choices and environment are the text that stands in the file', async () => {
  const directory = directoryOf({ 'job.yml': 'params:\n  - name: version\n    choices: [3.10, 007, yes, True, ~, 0x1F, "quoted", v1]\nenv: {LEVEL: 010, EMPTY: }\nscript: true && ls\n' })
  const { params, env } = await readJobDefinition(directory, 'job')
  expect(params[0]!.choices).toEqual(['3.10', '007', 'yes', 'True', '~', '0x1F', 'quoted', 'v1'])
  expect(env).toEqual({ LEVEL: '010', EMPTY: '' })
})

test.each([
  ['512', 512], ['512m', 512], ['2g', 2048],
])('memory %s is %i MiB', async (memory, mib) => {
  expect((await readJobDefinition(directoryOf({ 'job.yml': `memory: ${memory}\nscript: ls\n` }), 'job')).memory).toBe(mib)
})

describe('a mistake names file, line, key and what was expected', () => {
  test.each([
    ['', /^job\.yml:1: script: is missing$/],
    ['- a\n- b\n', /^job\.yml:1: expected a map/],
    ['just text', /^job\.yml:1: expected a map/],
    ['script: ls\ndescripton: x\n', /^job\.yml:2: descripton: unknown key: expected one of description, timeout, archive, containers/],
    ['script: ls\ntimeout: five\n', /^job\.yml:2: timeout: expected a number, got "five"$/],
    ['script: ls\ntimeout: -1\n', /^job\.yml:2: timeout: expected minutes, more than 0/],
    ['script: [ls]\n', /^job\.yml:1: script: expected text, got Array/],
    ['script: ""\n', /^job\.yml:1: script: expected bash text/],
    ['script: |\n  #!/usr/bin/env python3\n  print(1)\n', /^job\.yml:1: script: expected bash: its #! line asks for another program/],
    ['script: ls\narchive: sometimes\n', /^job\.yml:2: archive: expected true or false/],
    ['script: ls\ncontainers:\n  - imge: ubuntu\n', /^job\.yml:3: containers\[0\]\.image: is missing\njob\.yml:3: containers\[0\]\.imge: unknown key: expected one of image, host_tag$/],
    ['script: ls\ncontainers: ubuntu\n', /^job\.yml:2: containers: expected a list/],
    ['script: ls\ncontainers:\n  - image: --privileged\n', /^job\.yml:3: containers\[0\]\.image: expected the name of an image/],
    ['script: ls\ncontainers:\n  - image: a\n  - image: a\n', /^job\.yml:2: containers: expected every image once/],
    ['script: ls\nparams:\n  - name: 1x\n', /^job\.yml:3: params\[0\]\.name: expected the name of an environment variable.*, got "1x"$/],
    ['script: ls\nparams:\n  - name: REF\n', /^job\.yml:3: params\[0\]\.name: expected a name that Quern and bash do not set themselves/],
    ['script: ls\nparams:\n  - name: LD_PRELOAD\n', /do not set themselves/],
    ['script: ls\nparams:\n  - name: x\n    choices: []\n', /^job\.yml:4: params\[0\]\.choices: expected at least one choice/],
    ['script: ls\nparams:\n  - name: x\n    choices: [[a]]\n', /^job\.yml:4: params\[0\]\.choices\[0\]: expected text/],
    ['script: ls\nparams:\n  - name: x\n    choices: [a]\n    defval: b\n', /^job\.yml:5: params\[0\]\.defval: expected one of the choices/],
    ['script: ls\nparams:\n  - name: x\n  - name: x\n', /^job\.yml:2: params: expected every parameter once/],
    ['script: ls\nsecrets: TOKEN\n', /^job\.yml:2: secrets: expected a list/],
    ['script: ls\nnotify:\n  - type: pager\n    users: [a@example.org]\n', /^job\.yml:3: notify\[0\]\.type: expected "email", got "pager"/],
    ['script: ls\nnotify:\n  - type: email\n    users: [nobody]\n', /^job\.yml:4: notify\[0\]\.users\[0\]: expected an e-mail address, got "nobody"/],
    ['script: ls\nretention:\n  unit: weeks\n  value: 1\n', /^job\.yml:3: retention\.unit: expected "days" or "builds", got "weeks"/],
    ['script: ls\nretention:\n  unit: days\n  value: 0\n', /^job\.yml:4: retention\.value: expected at least 1/],
    ['script: ls\nenv:\n  a-b: c\n', /^job\.yml:3: env\.a-b: expected the name of an environment variable/],
    ['script: ls\nneeds: make\n', /^job\.yml:2: needs: expected a list/],
    ['script: ls\nworkspace: make\n', /^job\.yml:2: workspace: expected "commit", "none" or one of the needs/],
    ['script: ls\nservices:\n  - name: My DB\n    image: postgres\n    script: x\n', /^job\.yml:3: services\[0\]\.name: expected a host name/],
    ['script: ls\nservices:\n  - {name: db, image: postgres, script: x}\n', /^job\.yml:2: services: expected none: only jobs in containers reach services/],
    ['script: ls\nartifacts: [../../etc/passwd]\n', /^job\.yml:2: artifacts\[0\]: expected a glob below the workspace/],
    ['script: ls\nartifacts: [/etc/passwd]\n', /^job\.yml:2: artifacts\[0\]: expected a glob below the workspace/],
    ['script: ls\nnetwork: maybe\n', /^job\.yml:2: network: expected true or false/],
    ['script: ls\nmemory: lots\n', /^job\.yml:2: memory: expected MiB as a number, or text like 512m or 2g/],
    ['script: ls\nmemory: 1\n', /^job\.yml:2: memory: expected between 16 MiB and 16 TiB/],
    ['script: ls\ncpus: 0\n', /^job\.yml:2: cpus: expected more than 0/],
    ['script: ls\nexecutor: docker\n', /^job\.yml:2: executor: expected "shell", "sandbox" or "container", got "docker"/],
    ['script: ls\nexecutor: container\n', /^job\.yml:\d: containers: expected at least one container/],
    ['script: ls\nrefs: []\n', /^job\.yml:2: refs: expected at least one glob/],
    ['script: ls\nmounts:\n  - from: data\n', /^job\.yml:3: mounts\[0\]\.from: expected an absolute path/],
    ['script: ls\nmounts:\n  - from: /srv/../etc\n', /^job\.yml:3: mounts\[0\]\.from: expected a path without "\.\."/],
    ['script: ls\nexecutor: shell\nmounts:\n  - from: /srv\n', /^job\.yml:3: mounts: expected none: the executor "shell" sees the host as it is/],
    ['script: ls\nengine: true\nexecutor: sandbox\n', /^job\.yml:2: engine: expected it in the shell, without "containers", or beside the engine's socket under "mounts"/],
    ['script: ls\nengine: true\ncontainers: [{image: a}]\n', /^job\.yml:2: engine: expected it in the shell/],
    ['script: ls\nengine: docker\n', /^job\.yml:2: engine: expected true or false/],
    ['script: ls\nscript: rm\n', /^job\.yml:2: the key stands twice/],
    ['script: ls\ncontainers:\n\t- image: a\n', /^job\.yml:3: indented by a tab, which YAML does not allow: use blanks/],
    ['script: "ls\n', /^job\.yml:\d: /],
    [`a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.split('').map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[index]}`).join()}]`).join('\n')}\nscript: ls\n`, /^job\.yml:1: the aliases cannot be resolved/],
    [`script: ls\n# ${'x'.repeat(10_000_000)}`, /^job\.yml: expected a job definition of at most 1000000 bytes, it has 10000013$/],
  ])('%#', async (text, message) => expect(await problemsOf(text)).toMatch(message))
})

test('all mistakes of all files are told at once', async () => {
  const { definitions, problems } = await readJobDefinitions(directoryOf({ 'a.yml': 'script: 1\ntimeout: x\n', 'b/c.yml': 'scrpt: ls\n', 'd.yml': 'script: ls\n' }))
  expect(definitions.map(({ name }) => name)).toEqual(['d'])
  expect(problems).toHaveLength(2)
  expect(problems[0]!.split('\n')).toHaveLength(2)
})

test('what is no definition is left alone, what cannot be one is told', async () => {
  const directory = directoryOf({ 'a.yml': 'script: ls\n', 'a.yaml': 'script: ls\n', 'README.md': '', '.hidden.yml': '', '.git/x.yml': '' })
  symlinkSync('/etc/passwd', join(directory, 'link.yml'))
  const { definitions, problems } = await readJobDefinitions(directory)
  expect(definitions.map(({ name }) => name)).toEqual(['a', 'a'])
  expect(problems).toEqual([expect.stringMatching(/link\.yml: expected a file of its own; links/), expect.stringMatching(/the job a is defined twice/)])
  expect(await readJobDefinitions(join(directory, 'nowhere'))).toEqual({ definitions: [], problems: [] })
})

test.each(['../secrets', '/etc/passwd', 'a/../b', '.git/config', '', 'a//b', 'x'.repeat(300), `x/${'y/'.repeat(600)}z`, 'a\0b', 'a\nb', 'missing'])('no file is read for the job %.30j', async (name) => {
  const directory = directoryOf({ 'jobs/a.yml': 'script: ls\n', 'secrets.yml': 'script: ls\n' })
  await expect(readJobDefinition(join(directory, 'jobs'), name)).rejects.toThrow(/^no job /)
})
