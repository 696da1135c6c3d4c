import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { readPlaceholders } from '../../src/plan/read-placeholders.ts'
import { scanQuotes } from '../../src/plan/scan-quotes.ts'

/** Bash text, and what bash makes of it once its placeholders are read. */
type Word = [text: string, value: string]

const hostile = `r'e"f$(touch x)\`y\`;#{z}\\ *`

test.each([1, 2, 3, 4, 5, 6])('whatever quotes and substitutions stand around it, bash gets the value whole (words made from seed %i)', (seed) => {
  const words = makeWords(seed, 100)
  const text = words.map(([written]) => `X=${written}\nprintf '%s\\001' "$X"\n`).join('')
  const { literals, open } = scanQuotes(text)
  expect(open).toBeUndefined()
  const printed = execFileSync('bash', ['--norc', '-c', readPlaceholders(text, literals)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], REF: hostile, REPOSITORY: 'mill' },
  })
  expect(printed.split('\u0001').slice(0, -1).map((value, index) => [words[index]![0], value])).toEqual(words)
})

function makeWords(seed: number, count: number): Word[] {
  let state = seed
  return Array.from({ length: count }, () => several(3, false))

  function below(limit: number): number {
    state = (state * 1103515245 + 12345) % 2147483648
    return Math.floor(state / 65536) % limit
  }

  function pick<T>(items: T[]): T {
    return items[below(items.length)]!
  }

  function several(depth: number, quoted: boolean): Word {
    const words = Array.from({ length: 1 + below(3) }, () => (depth > 0 && below(2) === 0 ? compound(depth - 1, quoted) : pick(quoted ? inQuotes : bare)))
    return [words.map(([text]) => text).join(''), words.map(([, value]) => value).join('')]
  }

  function compound(depth: number, quoted: boolean): Word {
    const kind = below(quoted ? 2 : 3)
    if (kind === 0) return substitution(several(depth, false))
    const [text, value] = several(depth, quoted || kind === 2)
    return kind === 1 ? [`\${NOPE:-${text}}`, value] : [`"${text}"`, value]
  }

  function substitution([text, value]: Word): Word {
    const print = `Y=${text}; printf %s "$Y"`
    return pick<Word>([
      [`$(${print})`, value],
      [`$(case a in a) ${print} ;; esac)`, value],
      [`$(case "x" in (a|b) : ;; x) ${print};; esac)`, value],
      [`$(: # it's "( \`\n${print})`, value],
      [`$( (${print}) )`, value],
      [`$(f() { ${print}; }; f)`, value],
      [`$([[ ab =~ ^(a|b)+$ ]] && { ${print}; })`, value],
      [`$(x=(1 2 '3)'); ${print})`, value],
      [`$(echo a#b >/dev/null; ${print})`, value],
      [`$(cat <<E\n{ref} it's "\nE\nprintf x)`, `${hostile} it's "\nx`],
      [`$(cat <<"A B" <<E\nit's\nA B\n{ref}'\nE\nprintf x)`, `${hostile}'\nx`],
      [`$(cat <<<{ref}; printf x)`, `${hostile}\nx`],
      ['$((1<<2))', '4'],
      ['$(( (1 + 2) << 1 ))', '6'],
    ])
  }
}

const bare: Word[] = [
  ['abc', 'abc'],
  [`\\'\\"\\#\\(`, `'"#(`],
  ['"{ref}"', hostile],
  ["'{ref}'", hostile],
  ["'it (# \"'", 'it (# "'],
  // Not with an escaped quote: bash 5.2 itself trips over "$(x=${y:-$'\''})".
  ["$'a{ref}\\t'", `a${hostile}\t`],
  ["'a'\\''{ref}'", `a'${hostile}`],
  ['`printf %s "{repository}"`', 'mill'],
]

const inQuotes: Word[] = [
  ['abc', 'abc'],
  ['its (#', 'its (#'],
  ['{ref}', hostile],
  ['\\"\\$\\`\\\\', '"$`\\'],
  ['${#REF}', String(hostile.length)],
  ['`printf %s "{repository}"`', 'mill'],
]
