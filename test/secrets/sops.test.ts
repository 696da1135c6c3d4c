import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decryptSops } from 'sops-age'
import { describe, expect, test } from 'vitest'
import { environmentFiles, makeKey, openEnvironment, readRepositorySecrets, readServerSecrets, type EnvironmentFiles } from '../../src/secrets/environment-files.ts'
import { SecretsError } from '../../src/secrets/secrets-error.ts'
import { openSops } from '../../src/secrets/sops-file.ts'
import { encryptValue, macOf } from '../../src/secrets/sops-value.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const values = { TOKEN: 'not-a-real-token', URL: 'https://x.example/?a=b&c=d#e', KEY: '-----BEGIN FAKE-----\nline\n-----END FAKE-----\n', ODD: ' "quoted" $x \\ é =', EMPTY: '' }

async function environment(secrets: Record<string, string> = values): Promise<EnvironmentFiles & { key: string; recipient: string }> {
  const files = environmentFiles(tempDir(), 'ci')
  const recipient = await makeKey(files)
  writeFileSync(files.file, (await openEnvironment(files)).encrypted(new Map(Object.entries(secrets))))
  return { ...files, recipient, key: /AGE-SECRET-KEY-\S+/.exec(readFileSync(files.keyFile, 'utf8'))![0] }
}

const secretsOf = async (files: EnvironmentFiles) => Object.fromEntries((await openEnvironment(files)).secrets)

test('what is written is read back, and holds no value in clear text', async () => {
  const files = await environment()
  expect(await secretsOf(files)).toEqual(values)
  expect(readFileSync(files.file, 'utf8')).not.toMatch(/not-a-real|x\.example|FAKE-----\\n/)
})

test('another reader of SOPS files, sops-age, reads what is written', async () => {
  const files = await environment()
  const read = (await decryptSops(readFileSync(files.file, 'utf8'), { fileType: 'env', secretKey: files.key })) as Record<string, string>
  expect(read['TOKEN']).toBe(values.TOKEN)
  expect(read['ODD']).toBe(values.ODD)
  expect(read['KEY']).toBe(values.KEY)
})

test('a changed secret changes its own line, the MAC and the date; the others keep their ciphertext', async () => {
  const files = await environment()
  const before = readFileSync(files.file, 'utf8').split('\n')
  const opened = await openEnvironment(files)
  const after = opened.encrypted(new Map([...opened.secrets, ['TOKEN', 'another']])).split('\n')
  const changed = before.filter((line) => !after.includes(line)).map((line) => line.split('=')[0])
  expect(changed).toEqual(expect.arrayContaining(['TOKEN', 'sops_mac']))
  expect(changed.filter((name) => !['TOKEN', 'sops_mac', 'sops_lastmodified'].includes(name!))).toEqual([])
})

test('a secret left out is gone, a new one stands before the metadata, comments stay', async () => {
  const files = await environment({ A: 'first', B: 'second' })
  writeFileSync(files.file, `# kept\n${readFileSync(files.file, 'utf8')}`)
  writeFileSync(files.file, (await openEnvironment(files)).encrypted(new Map([['B', 'second'], ['C', 'third']])))
  expect(await secretsOf(files)).toEqual({ B: 'second', C: 'third' })
  expect(readFileSync(files.file, 'utf8')).toMatch(/^# kept\nB=ENC.*\nC=ENC.*\nsops_/)
})

describe('YAML', () => {
  async function yamlFile(nested = '') {
    const files = await environment({ A: 'one', B: 'two' })
    const text = readFileSync(files.file, 'utf8')
    const field = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)![1]!
    const enc = field('sops_age__list_0__map_enc').replaceAll('\\n', '\n            ')
    const yaml = `# a comment\nA: ${field('A')}\nB: ${field('B')}\n${nested}sops:\n    age:\n        - recipient: ${files.recipient}\n          enc: |\n            ${enc.trim()}\n    lastmodified: "${field('sops_lastmodified')}"\n    mac: ${field('sops_mac')}\n    unencrypted_suffix: _unencrypted\n    version: 3.9.4\n`
    writeFileSync(files.file, yaml)
    return files
  }

  test('is read, changed and read by sops-age', async () => {
    const files = await yamlFile()
    const opened = await openEnvironment(files)
    expect(Object.fromEntries(opened.secrets)).toEqual({ A: 'one', B: 'two' })
    const text = opened.encrypted(new Map([['B', 'two'], ['NEW', 'three\nlines\n']]))
    writeFileSync(files.file, text)
    expect(await secretsOf(files)).toEqual({ B: 'two', NEW: 'three\nlines\n' })
    expect(await decryptSops(text, { fileType: 'yaml', secretKey: files.key })).toMatchObject({ B: 'two', NEW: 'three\nlines\n' })
  })

  test('that is no SOPS file is refused', async () => {
    const files = await yamlFile()
    writeFileSync(files.file, 'A: in clear text\n')
    await expect(openEnvironment(files)).rejects.toThrow(/ci\.enc: expected a file written by sops/)
    writeFileSync(files.file, '')
    await expect(openEnvironment(files)).rejects.toThrow(SecretsError)
  })

  test('with a value that was added by hand is refused by its MAC', async () => {
    const files = await yamlFile('C_unencrypted: added\n')
    await expect(openEnvironment(files)).rejects.toThrow(/ci\.enc was changed by something other than sops/)
  })
})

describe('a file that was changed is refused:', () => {
  test.each([
    ['two values swapped', (text: string) => text.replace(/^A=(.*)\nB=(.*)$/m, 'A=$2\nB=$1')],
    ['a value removed', (text: string) => text.replace(/^A=.*\n/m, '')],
    ['a value in clear text', (text: string) => text.replace(/^A=.*$/m, 'A=mine')],
    ['an older date', (text: string) => text.replace(/^sops_lastmodified=.*$/m, 'sops_lastmodified=2020-01-01T00:00:00Z')],
    ['the MAC removed', (text: string) => text.replace(/^sops_mac=.*$/m, 'sops_mac=')],
    ['two lines in another order', (text: string) => text.replace(/^(A=.*)\n(B=.*)$/m, '$2\n$1')],
  ])('%s', async (_, change) => {
    const files = await environment({ A: 'first', B: 'second' })
    writeFileSync(files.file, change(readFileSync(files.file, 'utf8')))
    await expect(openEnvironment(files)).rejects.toThrow(/was changed by something other than sops/)
  })
})

describe('a key file', () => {
  test('is 0600, ignored by git, readable by age-keygen\'s rules, and never overwritten', async () => {
    const repo = gitRepo()
    const files = environmentFiles(repo.path, 'ci')
    const recipient = await makeKey(files)
    expect(statSync(files.keyFile).mode & 0o777).toBe(0o600)
    expect(readFileSync(files.keyFile, 'utf8')).toMatch(new RegExp(`^# created: .*\n# public key: ${recipient}\nAGE-SECRET-KEY-1[A-Z0-9]{58}\n$`))
    expect(repo.git('status', '--porcelain', '--untracked-files=all')).toBe('?? secrets/.gitignore')
    await expect(makeKey(files)).rejects.toThrow(/is there already/)
    await makeKey(environmentFiles(repo.path, 'dev'))
    expect(readFileSync(join(repo.path, 'secrets/.gitignore'), 'utf8')).toBe('*.key\n')
  })

  test('that is missing is named, with what to do', async () => {
    const files = await environment()
    rmSync(files.keyFile)
    await expect(openEnvironment(files)).rejects.toThrow(`${files.keyFile} is missing`)
  })

  test('that does not fit is told, with the key that would', async () => {
    const files = await environment()
    const other = await environment()
    writeFileSync(files.keyFile, other.key)
    await expect(openEnvironment(files)).rejects.toThrow(`ci.key does not fit ${files.file}, which is encrypted for ${files.recipient}`)
  })

  test.each(['', 'AGE-SECRET-KEY-1DAMAGED', '-----BEGIN OPENSSH PRIVATE KEY-----\n'])('that holds %j is refused without repeating it', async (text) => {
    const files = await environment()
    writeFileSync(files.keyFile, text)
    const error = await openEnvironment(files).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(SecretsError)
    expect(String(error)).toMatch(/ci\.key: (?:expected an age key|the line)/)
    expect(String(error)).not.toMatch(/DAMAGED|OPENSSH/)
  })

  test('that others can read is refused', async () => {
    const files = await environment()
    chmodSync(files.keyFile, 0o644)
    await expect(openEnvironment(files)).rejects.toThrow(/chmod 600/)
  })
})

test('the server\'s secrets are those of secrets.yml and of its own environment file', async () => {
  const files = await environment({ A: 'shared', B: 'also' })
  const home = dirname(dirname(files.file))
  writeFileSync(join(home, 'secrets.yml'), 'A: mine\n', { mode: 0o600 })
  expect(await readServerSecrets({ home, env: 'ci' })).toEqual(new Map([['A', 'mine'], ['B', 'also']]))
  expect(await readServerSecrets({ home, env: 'other' })).toEqual(new Map([['A', 'mine']]))
  await expect(readServerSecrets({ home, env: '../ci' })).rejects.toThrow(/expected the name of an environment/)
})

test('a repository\'s file is read by the key kept for that repository, not by another\'s', async () => {
  const files = await environment({ A: 'theirs' })
  const home = tempDir()
  mkdirSync(join(home, 'secrets/acme~app'), { recursive: true })
  writeFileSync(join(home, 'secrets/acme~app/ci.key'), files.key, { mode: 0o600 })
  const text = readFileSync(files.file, 'utf8')
  expect(await readRepositorySecrets({ home, repository: 'acme~app', env: 'ci', text })).toEqual(new Map([['A', 'theirs']]))
  await expect(readRepositorySecrets({ home, repository: 'evil~app', env: 'ci', text })).rejects.toThrow(/secrets\/evil~app\/ci\.key is missing, so secrets\/ci\.enc of evil~app cannot be read/)
})

test('rules that only sops keeps are left to sops', async () => {
  const files = await environment({ A: 'one' })
  writeFileSync(files.file, `${readFileSync(files.file, 'utf8').replace('sops_unencrypted_suffix=_unencrypted', 'sops_encrypted_regex=^A')}`)
  const opened = await openEnvironment(files)
  expect(() => opened.encrypted(new Map())).toThrow(/has the rules encrypted_regex, which only sops itself keeps: change it by sops edit/)
})

/** A value and its MAC, computed by hand from the documented protocol: SHA-512 over the values in order, upper case. */
test('the MAC is the documented one', () => {
  expect(macOf(['a', 'b'], { onlyEncrypted: false })).toBe(execFileSync('sh', ['-c', "printf ab | sha512sum | cut -d' ' -f1 | tr a-f A-F"], { encoding: 'utf8' }).trim())
  expect(encryptValue('', Buffer.alloc(32), 'A:')).toBe('')
})

/** test/fixtures/sops: written by `sops --encrypt --age …` of the version in the name, for the key in fake.key. */
describe('a file that the real sops wrote is read:', () => {
  const recorded = (name: string) => readFileSync(fileURLToPath(new URL(`../fixtures/sops/${name}`, import.meta.url)), 'utf8')
  const read = async (name: string) => Object.fromEntries((await openSops(recorded(name), recorded('fake.key'), { file: name, keyFile: 'fake.key' })).secrets)
  const dotenv = { TOKEN: 'not-a-real-token', EMPTY: '', KEY: values.KEY, ODD: ' "quoted" $x \\\\ é 🎉 = # \'', URL: values.URL, TWICE: 'second', CLEAR_unencrypted: 'in clear text' }
  const yaml = { TEXT: 'one', NUMBER: '7', FLOAT: '1.5', FLAG: 'true', QUOTED: '007', EMPTY: '', BLOCK: 'line one\n\n# no comment é 🎉\n', LAST: 'last' }

  test.each([
    ['dotenv-3.13.2.enc', dotenv],
    ['dotenv-3.7.3.enc', dotenv],
    ['yaml-3.13.2.enc', { ...yaml, DAY: '2020-01-02T00:00:00Z', BIG: '9007199254740993' }],
    ['yaml-3.7.3.enc', yaml],
    ['yaml-mac-only-3.13.2.enc', { SECRET: 'hidden', plain: 'clear', more: '3' }],
  ])('%s', async (name, expected) => {
    expect(await read(name)).toEqual(expected)
  })

  test('values in clear text count in the MAC as sops writes them: numbers without an exponent and however long, truth, days', async () => {
    const secrets = await read('yaml-regex-3.13.2.enc')
    expect(secrets).toMatchObject({ SECRET: 'hidden', flag: 'true', float: '1.5', big: '9007199254740993', day: '2020-01-02T00:00:00Z', yes_text: 'yes' })
  })

  test('and what a new file holds of metadata, and the form of its values, are those of sops', async () => {
    const namesIn = (text: string) => [...text.matchAll(/^(sops_\w+)=/gm)].map(([, name]) => name)
    const written = readFileSync((await environment({ TOKEN: 'not-a-real-token' })).file, 'utf8')
    expect(namesIn(written)).toEqual(namesIn(recorded('dotenv-3.13.2.enc')))
    const form = /^TOKEN=ENC\[AES256_GCM,data:[A-Za-z0-9+/]{22}==,iv:[A-Za-z0-9+/]{43}=,tag:[A-Za-z0-9+/]{22}==,type:str\]$/m
    expect(recorded('dotenv-3.13.2.enc')).toMatch(form)
    expect(written).toMatch(form)
  })

  test('a name that stands there twice stands there once after a change', async () => {
    const name = 'dotenv-3.13.2.enc'
    const files = { file: name, keyFile: 'fake.key' }
    const opened = await openSops(recorded(name), recorded('fake.key'), files)
    const text = opened.encrypted(new Map([...opened.secrets, ['TOKEN', 'another']]))
    expect(text.match(/^TWICE=/gm)).toHaveLength(1)
    expect(Object.fromEntries((await openSops(text, recorded('fake.key'), files)).secrets)).toEqual({ ...dotenv, TOKEN: 'another' })
  })
})

test('a file whose key is split among groups is told as that', async () => {
  const files = await environment()
  writeFileSync(files.file, readFileSync(files.file, 'utf8').replaceAll('sops_age__', 'sops_key_groups__list_0__map_age__'))
  await expect(openEnvironment(files)).rejects.toThrow(/ci\.enc splits its key among groups/)
})

test.each(['sops', 'sops_mac', 'sops_x'])('%s is no name of a secret, being one of SOPS\' own', async (name) => {
  const opened = await openEnvironment(await environment())
  expect(() => opened.encrypted(new Map([...opened.secrets, [name, 'not-real']]))).toThrow(`${name}: names that begin with sops_ are those of SOPS itself`)
})

describe.skipIf(!isInstalled('sops', 'put the binary from its releases page on PATH'))('the real sops', () => {
  /** `.enc` tells sops nothing of the kind. */
  const sops = (words: string[], { file, keyFile }: EnvironmentFiles, { kind = 'dotenv', as, editor = 'false' }: { kind?: string; as?: string; editor?: string } = {}) =>
    execFileSync('sops', [...words, '--input-type', kind, '--output-type', as ?? kind, file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], SOPS_AGE_KEY_FILE: keyFile, EDITOR: editor } })
  const decrypted = (files: EnvironmentFiles, kind = 'dotenv') => JSON.parse(sops(['--decrypt'], files, { kind, as: 'json' })) as Record<string, unknown>
  const change = async (files: EnvironmentFiles, more: Record<string, string>) => {
    const opened = await openEnvironment(files)
    writeFileSync(files.file, opened.encrypted(new Map([...opened.secrets, ...Object.entries(more)])))
  }
  function editor(command: string): string {
    const path = join(tempDir(), 'editor.sh')
    writeFileSync(path, `#!/bin/sh\n${command}\n`, { mode: 0o755 })
    return path
  }
  const odd = { ...values, UNICODE: 'grüße 日本 🎉\u0007', CRLF: 'a\r\nb\r', CLEAR_unencrypted: 'in clear text', TRUE: 'truth', LONG: 'x'.repeat(100_000) }

  test('reads what is written, and what it writes is read', async () => {
    const files = await environment(odd)
    expect(decrypted(files)).toEqual(odd)
    sops(['--rotate', '--in-place'], files)
    expect(await secretsOf(files)).toEqual(odd)
    await change(files, { TOKEN: 'changed after the rotation' })
    expect(decrypted(files)).toEqual({ ...odd, TOKEN: 'changed after the rotation' })
  })

  test('edits what is written; its comments and empty values stay through the next change', async () => {
    const files = await environment({ A: 'first', B: 'second' })
    sops([], files, { editor: editor(String.raw`sed -i 's/^A=.*/A=by-sops/' "$1"; printf '# of sops\nEMPTY=\nNEW=two\\nlines\n' >> "$1"`) })
    expect(await secretsOf(files)).toEqual({ A: 'by-sops', B: 'second', EMPTY: '', NEW: 'two\nlines' })
    await change(files, { B: 'by quern', C: 'third' })
    expect(sops(['--decrypt'], files)).toBe('A=by-sops\nB=by quern\n# of sops\nEMPTY=\nNEW=two\\nlines\nC=third\n')
  })

  test('adds a recipient, who reads and writes then, too', async () => {
    const files = await environment({ A: 'first' })
    const other = await environment({})
    sops(['--rotate', '--in-place', '--add-age', other.recipient], files)
    const theirs = { ...other, file: files.file }
    await change(theirs, { B: 'by the other' })
    expect(decrypted(files)).toEqual({ A: 'first', B: 'by the other' })
    expect(decrypted(theirs)).toEqual({ A: 'first', B: 'by the other' })
  })

  test('and its YAML is read, changed and read by it again', async () => {
    const files = await environment({ A: 'one' })
    const plain = join(tempDir(), 'plain.yaml')
    writeFileSync(plain, '# a comment\nTEXT: one # behind\nNUMBER: 7\nFLOAT: 1.5\nFLAG: true\nBLOCK: |\n  a\n  b\n')
    writeFileSync(files.file, execFileSync('sops', ['--encrypt', '--age', files.recipient, plain], { encoding: 'utf8' }))
    expect(await secretsOf(files)).toEqual({ TEXT: 'one', NUMBER: '7', FLOAT: '1.5', FLAG: 'true', BLOCK: 'a\nb\n' })
    const more = { TEXT: 'another', NO: 'nono', Y: 'yyyy', NULL: 'null', ON: '1234', CLEAR_unencrypted: '007 # no', LINES: '- a\n- "b": é 🎉\n' }
    await change(files, more)
    expect(decrypted(files, 'yaml')).toEqual({ NUMBER: 7, FLOAT: 1.5, FLAG: true, BLOCK: 'a\nb\n', ...more })
    expect(sops(['--decrypt'], files, { kind: 'yaml' })).toContain('# a comment\n')
    sops(['--rotate', '--in-place'], files, { kind: 'yaml' })
    expect(await secretsOf(files)).toEqual({ NUMBER: '7', FLOAT: '1.5', FLAG: 'true', BLOCK: 'a\nb\n', ...more })
  })

  test('and what it nests is read at the top, and left to sops to change', async () => {
    const files = await environment({ A: 'one' })
    const plain = join(tempDir(), 'plain.yaml')
    writeFileSync(plain, 'TEXT: one\nGROUP:\n  # within\n  - a\n  - b: [1.25, null, {}]\n')
    writeFileSync(files.file, execFileSync('sops', ['--encrypt', '--age', files.recipient, plain], { encoding: 'utf8' }))
    expect(await secretsOf(files)).toEqual({ TEXT: 'one' })
    await expect(change(files, { TEXT: 'two' })).rejects.toThrow(/values within values, which only sops itself keeps/)
  })
})
