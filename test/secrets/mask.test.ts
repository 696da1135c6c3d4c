import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { createMasker, maskText } from '../../src/secrets/mask.ts'

const secret = 'correct horse/battery+staple=é'

describe('a secret', () => {
  test.each([
    ['as it is', secret],
    ['in base64', Buffer.from(secret).toString('base64')],
    ['in base64 for URLs', Buffer.from(secret).toString('base64url')],
    ['in a URL', encodeURIComponent(secret)],
    ['in a form', new URLSearchParams({ a: secret }).toString().slice(2)],
    ['in JSON', JSON.stringify(secret).slice(1, -1)],
    ['in JSON of ASCII', 'correct horse/battery+staple=\\u00e9'],
    ['as printf %q prints it', 'correct\\ horse/battery+staple=\\é'],
  ])('%s is masked', (_, form) => {
    expect(maskText(`before ${form} after`, [secret])).toMatch(/^before \*\*\*\S{0,2} after$/)
  })

  test('with a quote is masked in a trace of bash', () => {
    const quoted = "it's not real"
    const trace = execFileSync('bash', ['-c', 'set -x; : "$S"'], { env: { PATH: process.env['PATH'], S: quoted, BASH_XTRACEFD: '1' }, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
    expect(trace).toContain("it'\\''s")
    expect(maskText(trace, [quoted])).toBe("+ : '***'\n")
  })

  test.each([0, 1, 2, 3, 4, 5])('within a text of which %i bytes come first is masked in base64', (before) => {
    const encoded = Buffer.from(`${'x'.repeat(before)}${secret}yyyy`).toString('base64')
    const shown = maskText(encoded, [secret])
    expect(shown).toContain('***')
    for (let offset = 0; offset < 4; offset++) expect(Buffer.from('A'.repeat(offset) + shown, 'base64').toString()).not.toMatch(/horse|battery|staple/)
  })

  test('of many lines is masked line by line, where a line is long enough to be told from others', () => {
    const key = '-----BEGIN FAKE KEY-----\nZmFrZSBsaW5lIG9uZQ\n}\nZmFrZSBsaW5lIHR3bw\n-----END FAKE KEY-----\n'
    const shown = maskText(`  ZmFrZSBsaW5lIG9uZQ\r\n  }\n${key}`, [key])
    expect(shown).toBe('  ***\r\n  }\n***')
  })

  test('of two lines is masked line by line, and one that a line end closes also without it', () => {
    expect(maskText('second-half first-half', ['first-half\nsecond-half'])).toBe('*** ***')
    expect(maskText('hunter2', ['hunter2\n'])).toBe('***')
  })

  test.each([64, 76])('whose base64 is broken into lines of %i characters is masked in each', (width) => {
    const long = Array.from({ length: 20 }, (_, n) => `part-${n}`).join('~')
    const wrapped = execFileSync('base64', ['--wrap', `${width}`], { input: long, encoding: 'utf8' })
    expect(wrapped.trim().split('\n').length).toBeGreaterThan(1)
    expect(maskText(wrapped, [long]).replace(/[*\n=]/g, '').length).toBeLessThan(8)
  })

  test('of fewer than four characters is not masked', () => {
    expect(maskText('a cab', ['a', '', 'cab', '\n'])).toBe('a cab')
  })
})

describe('over chunks', () => {
  const values = ['hunter2-not-real', 'hunter2', 'real-and-more', secret]
  const text = `x${values.join('|')}x hunter2-not-real-and-more hunter hunter2-not ${secret}${secret} huntehunter2 end hunter2-no`

  test('of every size the result is the same', () => {
    const whole = maskText(text, values)
    expect(whole).toBe('x***|***|***|***x *** hunter ***-not ****** hunte*** end ***-no')
    for (let size = 1; size <= 40; size++) expect(masked(Buffer.from(text), values, size)).toBe(whole)
  })

  test('random texts over few letters are masked as a plain search masks them', () => {
    let seed = 20
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
    const word = (length: number) => Array.from({ length }, () => 'ab'[random(2)]).join('')
    for (let round = 0; round < 300; round++) {
      const secrets = Array.from({ length: 1 + random(3) }, () => word(4 + random(5)))
      const line = word(60)
      expect(masked(Buffer.from(line), secrets, 1 + random(9)), `${line} ${secrets.join(' ')}`).toBe(plainly(line, secrets))
    }
  })

  test('only what may begin a secret is kept back', () => {
    const { mask, flush } = createMasker(['hunter2'])
    expect(text_(mask(Buffer.from('password: ')))).toBe('password: ')
    expect(text_(mask(Buffer.from('a hun')))).toBe('a ')
    expect(text_(mask(Buffer.from('dred')))).toBe('hundred')
    expect(text_(mask(Buffer.from(' hunter')))).toBe(' ')
    expect(text_(flush())).toBe('hunter')
    expect(text_(flush())).toBe('')
  })

  test('a chunk may be overwritten once the call is over', () => {
    const { mask } = createMasker(['hunter2'])
    const chunk = Buffer.from('hunt')
    mask(chunk)
    chunk.fill('x')
    expect(text_(mask(Buffer.from('er2 ')))).toBe('*** ')
  })

  test('without secrets, or without one in it, a chunk is handed through uncopied', () => {
    const chunk = Buffer.from('nothing to hide')
    expect(createMasker([]).mask(chunk)).toBe(chunk)
    expect(createMasker(['hunter2']).mask(chunk).buffer).toBe(chunk.buffer)
  })

  test('bytes that are no text come out as they went in', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0, 0x80, 0xc3, 0x28])
    expect(Buffer.from(createMasker(['hunter2']).mask(bytes))).toEqual(bytes)
  })
})

function masked(bytes: Buffer, values: string[], size: number): string {
  const { mask, flush } = createMasker(values)
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(Buffer.from(mask(bytes.subarray(at, at + size))))
  return Buffer.concat([...pieces, Buffer.from(flush())]).toString()
}

/** Marks every byte that an appearance covers; overlapping appearances are one, neighbouring ones are two. */
function plainly(line: string, values: string[]): string {
  const found = values.flatMap((value) => [...line].flatMap((_, start) => (line.startsWith(value, start) ? [{ start, end: start + value.length }] : [])))
  found.sort((one, other) => one.start - other.start || other.end - one.end)
  let shown = ''
  let at = 0
  for (const { start, end } of found) {
    if (start >= at) shown += `${line.slice(at, start)}***`
    at = Math.max(at, end)
  }
  return shown + line.slice(at)
}

function text_(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
