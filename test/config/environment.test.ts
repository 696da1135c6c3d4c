import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { describe, expect, test } from 'vitest'
import { parseEnvironment, readEnvironmentFile } from '../../src/config/environment.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('the forms that people write are read', () => {
  const text = `# comment\n\n  # indented\nexport A="one two"\nB='it is $5 \\ "so"'\nexport C=/usr/bin:/bin\nD=\nE="x # y" # why\nF="it's"\n\texport  G="caf\u00e9"\n`
  expect(parseEnvironment(text, 'environment.sh')).toEqual({
    values: { A: 'one two', B: 'it is $5 \\ "so"', C: '/usr/bin:/bin', D: '', E: 'x # y', F: "it's", G: 'caf\u00e9' },
    lines: { A: 4, B: 5, C: 6, D: 7, E: 8, F: 9, G: 10 },
  })
})

test.each([
  ['A="$HOME/x"', 'the shell would replace'],
  ['A="`date`"', 'the shell would replace'],
  ['A="a\\nb"', 'the shell would replace'],
  ["A='a\\'", 'before the closing quote'],
  ['A=two words', 'needs quotes'],
  ['A=a;b', 'needs quotes'],
  ['A=~/x', 'needs quotes'],
  ['A=*', 'needs quotes'],
  ['A=$(date)', 'needs quotes'],
  ['A="open', 'closing quote is missing'],
  ['A="a"b', 'after the closing quote'],
  ['A="a"#b', 'after the closing quote'],
  ['A = "a"', 'without blanks around "="'],
  ['source other.sh', 'without blanks around "="'],
  ['if true; then', 'without blanks around "="'],
  ['A.B="a"', 'without blanks around "="'],
  ['A="a"\r', 'carriage return'],
  ['# comment\u2028A=b', 'invisible control character'],
  ['\ufeffA=b', 'invisible control character'],
  ['PPID="1"', 'shells keep for themselves'],
])('%j is refused by its line', (line, reason) => {
  expect(() => parseEnvironment(`OK=1\n${line}\n`, '/home/ci/environment.sh')).toThrow(
    expect.objectContaining({ name: 'ConfigError', message: expect.stringMatching(/^\/home\/ci\/environment\.sh:2: /) }),
  )
  expect(() => parseEnvironment(`OK=1\n${line}\n`, '/home/ci/environment.sh')).toThrow(reason)
})

test('a refused line does not show its value', () => {
  expect(() => parseEnvironment('SECRET=hunter2 hunter2', 'environment.sh')).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hunter2') }))
})

test('a file that is not UTF-8 is refused', () => {
  const path = join(tempDir(), 'environment.sh')
  writeFileSync(path, Buffer.from('A="\xe9"\n', 'latin1'))
  expect(() => readEnvironmentFile(path)).toThrow('expected UTF-8')
})

test('what this user cannot read as a file is told as a mistake', () => {
  const directory = tempDir()
  expect(() => readEnvironmentFile(directory)).toThrow(expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining('expected a file that this user may read') }))
})

test('without a file nothing is set', () => {
  expect(readEnvironmentFile(join(tempDir(), 'environment.sh'))).toEqual({ values: {}, lines: {} })
})

describe.each(['sh', 'bash'])('against %s and dotenv', (shell) => {
  test('every generated line is refused or read alike by both', () => {
    const seed = Date.now() | 0
    const random = generator(seed)
    const pieces = ['"', "'", '$', '`', '\\', '#', ' ', '\t', '=', 'A', 'b', '1', '-', '~', '*', ';', '&', '|', '(', ')', '{', '}', '!', '\r', '\u2028', '\u00a0', '\u00e9', '\ufeff', '\\n', '$X', '/', ':', '%', '\v', '\f', 'export ', '[', '<', '\n', '# ', '""', "''"]
    const shapes = [
      (junk: string) => `export V${junk}`,
      (junk: string) => `V=${junk}`,
      (junk: string) => `export V="${junk}"`,
      (junk: string) => `V='${junk}'`,
      (junk: string) => `V="${junk}" # ${junk}`,
      (junk: string) => `# ${junk}`,
      (junk: string) => `V=\n${junk}`,
      (junk: string) => `V="a"\nW='${junk}'\n${junk}`,
    ]
    const accepted: string[] = []
    for (let tries = 0; tries < 6000; tries++) {
      const junk = Array.from({ length: Math.floor(random() * 6) }, () => pieces[Math.floor(random() * pieces.length)]).join('')
      const text = shapes[Math.floor(random() * shapes.length)]!(junk)
      if (isTaken(text)) accepted.push(text)
    }
    const distinct = [...new Set(accepted)]
    expect(distinct.length).toBeGreaterThan(300)
    for (const [index, values] of sourced(shell, distinct).entries()) {
      const { V, W } = parse(distinct[index]!)
      expect({ seed, text: distinct[index], values }).toEqual({ seed, text: distinct[index], values: [V ?? '-', W ?? '-'] })
    }
  })
})

function isTaken(text: string): boolean {
  try {
    parseEnvironment(text, 'environment.sh')
    return true
  } catch {
    return false
  }
}

/** V and W after each text was sourced by itself, `-` where unset. */
function sourced(shell: string, texts: string[]): string[][] {
  const directory = tempDir()
  for (const [index, text] of texts.entries()) writeFileSync(join(directory, `${index}`), text)
  const script = `cd '${directory}'; i=0; while [ $i -lt ${texts.length} ]; do unset V W; . ./$i || echo failed >&2; printf '%s\\0%s\\0' "\${V--}" "\${W--}"; i=$((i+1)); done`
  const { stdout, stderr } = spawnSync(shell, ['-c', script], { encoding: 'utf8', env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' }, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 })
  expect(stderr).toBe('')
  const values = stdout.split('\0')
  return texts.map((_, index) => values.slice(2 * index, 2 * index + 2))
}

/** Small and seeded, so that a failure can be repeated: mulberry32. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
