import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { readPlaceholders } from '../../src/plan/read-placeholders.ts'
import { scanQuotes } from '../../src/plan/scan-quotes.ts'

/** Nothing in it may ever be executed, split or expanded by the shell that reads a chunk. */
const hostile = `a'b"c$(touch pwned)\`touch pwned\`;touch pwned\n*|&\\ {x} \${y}`

const values = { REPOSITORY: 'amp_mgms', COMMIT_ID: '84ce5aeb5cbfe12bf72096f34d93c9f5d148e997', REF: hostile, COMMITTER_NAME: hostile, COMMITTER_EMAIL: hostile }

function read(text: string): string {
  return readPlaceholders(text, scanQuotes(text).literals)
}

function bash(text: string): string {
  return execFileSync('bash', ['-ec', read(text)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH, ...values } })
}

describe('placeholders become variables', () => {
  test.each([
    ['git clone https://example.org/{repository}.git', 'git clone https://example.org/${REPOSITORY}.git'],
    ['git checkout {commit_id}', 'git checkout ${COMMIT_ID}'],
    ['echo "{ref}" "{committer_name} <{committer_email}>"', 'echo "${REF}" "${COMMITTER_NAME} <${COMMITTER_EMAIL}>"'],
    ['export PATH=${{HOME}}/bin:$PATH', 'export PATH=${HOME}/bin:$PATH'],
    ['echo ${{X:-{ref}}} ${{#list[@]}} ${{X%.tar}} ${{A:-${{B}}}}', 'echo ${X:-${REF}} ${#list[@]} ${X%.tar} ${A:-${B}}'],
    ['echo {{a,{ref}}}', 'echo {{a,${REF}}}'],
    ["echo '{ref}'", `echo ''"\${REF}"''`],
    ["echo $'{ref}\\n'", `echo $''"\${REF}"$'\\n'`],
    [`echo "it's {ref}"`, `echo "it's \${REF}"`],
    ["# don't\necho {ref}", "# don't\necho ${REF}"],
    [`echo "$(echo '{ref}')"`, `echo "$(echo ''"\${REF}"'')"`],
    [`echo "\${X:-'{ref}'}"`, `echo "\${X:-'\${REF}'}"`],
    ["cat <<EOF\nit's {ref}\nEOF\necho '{ref}'", `cat <<EOF\nit's \${REF}\nEOF\necho ''"\${REF}"''`],
    ["echo $((1<<2)) '{ref}'", `echo $((1<<2)) ''"\${REF}"''`],
  ])('%j is read as %j', (written, expected) => expect(read(written)).toBe(expected))
})

test.each([
  'f() { echo {a,b}; }',
  'echo ${ref} ${repository} $ref',
  "podman ps --format '{{.ID}}'",
  "git log --format='{{ref}}'",
  'awk "{print}" f; awk \'{ if ($1) { print $2 } }\' f',
  'echo {1..3} {repositories} {Ref} { ref } {}',
  'cat > ci.yml <<EOF\n  sha: ${{ github.sha }} ${{github.ref}}\nEOF',
  'json={"a":{"b":{}}}',
  "find . -exec rm {} \\;",
])('%j is left alone', (text) => expect(read(text)).toBe(text))

test('a placeholder where bash cannot put a variable is refused with its line and the remedy', () => {
  expect(() => read("true\ncat <<'EOF'\n{ref}\nEOF\n")).toThrow(/line 3: \{ref\}.*quoted delimiter.*variable REF/)
})

test.each([
  'printf %s "{ref}"',
  "printf %s '{ref}'",
  "printf %s $'{ref}'",
  'printf %s "$(printf %s "{ref}"; printf x)" | sed s/x$//',
  'printf %s "$(case a in a) printf %s \'{ref}\' ;; esac)"',
  'printf %s "`printf %s "{ref}"`"',
  'x={ref}; printf %s "$x"',
  'x=\'{ref}\'; printf %s "$x"',
  '[[ {ref} == "$REF" ]]; printf %s "${{REF}}"',
  'f() { local x=${{1}}; printf %s "${x}"; }; f "{ref}"',
  '((1 << 2)); printf %s "{ref}"',
  '(( (1 << 2) > 1 )) && printf %s \'{ref}\'',
  'case x in x) printf %s \'{ref}\' ;; esac',
  'printf %s "{ref}" # it\'s',
  "printf %s 'it'\\''s' >/dev/null; printf %s '{ref}'",
  'cat <<-A >/dev/null; printf %s \'{ref}\'\n\tit\'s "\n\tA\n',
])('bash gets the value whole from %j', (text) => expect(bash(text)).toBe(hostile))

test('a here-document gets the value whole', () => {
  expect(bash('cat <<EOF\n<{ref}> "{repository}" \'{commit_id}\'\nEOF\n')).toBe(`<${hostile}> "amp_mgms" '${values.COMMIT_ID}'\n`)
})

test('text without placeholders and doubled braces never changes, whatever its braces', () => {
  const pieces = ['{', '}', '$', '{{', '}}', "'", '"', 'x', ' ', '\n', '\\', '#', '(', ')', '`', '<<A', '.ID', 'refs', ';']
  let seed = 7
  for (let round = 0; round < 3000; round++) {
    let text = ''
    for (let length = 0; length < 12; length++) {
      seed = (seed * 1103515245 + 12345) % 2147483648
      text += pieces[Math.floor((seed / 2147483648) * pieces.length)]
    }
    if (text.includes('${{')) continue
    expect(read(text)).toBe(text)
  }
})

describe('what text leaves open is found', () => {
  test.each([
    ['echo "a', 'double quotes', 1],
    ["true\necho 'a", 'single quotes', 2],
    ['cat <<EOF\ntext\n', 'a here-document', 1],
    ['cat <<EOF', 'a here-document', 1],
    ['echo $(date', 'parentheses', 1],
    ['echo `date', 'backquotes', 1],
  ])('%j', (text, what, line) => expect(scanQuotes(text).open).toEqual({ what, line }))

  test.each(['case x in\n x) echo "y" ;;\n esac\n', 'cat <<A <<"B"\na\nA\nb\nB\n', 'x=$((1 + (2 << 3)))\n', 'cat <<<EOF\n', 'echo "$(cat <<E\n)\nE\n)"\n', '((a); b)\n', 'echo ${#x} $# a#b\n', '[[ a =~ ^(a|b)$ ]]\n'])(
    '%j leaves nothing open',
    (text) => expect(scanQuotes(text).open).toBeUndefined(),
  )
})
