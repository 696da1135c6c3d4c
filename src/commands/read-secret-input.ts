import { text } from 'node:stream/consumers'

/**
 * A secret from stdin, where it stands on no command line and in no shell history: all of it without the last line
 * break, or from a terminal one line that is not shown.
 */
export async function readSecretInput(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '')
  process.stderr.write(prompt)
  process.stdin.setRawMode(true)
  try {
    return await typedLine()
  } finally {
    process.stdin.setRawMode(false)
    process.stdin.pause()
    process.stderr.write('\n')
  }
}

/** Raw mode hands over every key: Ctrl-C ends here, backspace takes one back. */
async function typedLine(): Promise<string> {
  let typed = ''
  process.stdin.setEncoding('utf8')
  for await (const keys of process.stdin as AsyncIterable<string>) {
    for (const key of keys) {
      if (key === '\r' || key === '\n' || key === '\u0004') return typed
      if (key === '\u0003') process.exit(130)
      typed = key === '\u007f' || key === '\b' ? [...typed].slice(0, -1).join('') : typed + key
    }
  }
  return typed
}
