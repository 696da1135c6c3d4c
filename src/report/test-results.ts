import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { readable, readableLine } from '../model/readable.ts'
import { openDigest, type Digest } from './digest.ts'
import { openRecoder } from './encoding.ts'

/** Test results are read so far: what a runner wrote is far smaller, and a parser has to hold one text whole. */
const longest = 16 * 1024 * 1024
const chunkSize = 256 * 1024

/** Files that are looked into. */
const most = 200

/** Characters of what a failure says that are looked at, more or less. */
const longestWords = 8192

/** A place in the sources. It begins where a path does, nowhere within one: a failure made of dots would take the square of its length, seconds in which the builder does nothing else. */
const place = /(?<![\w@./-])[@-]{0,9}(?<file>[\w./][\w@./-]{0,299}\.\w{1,5}):(?<line>\d+)/

/** Lines of a digest. */
const shownLines = 20

/**
 * The first failure in the JUnit XML and TAP files below a directory, in the order of their names; undefined where there
 * is none. Links are not followed and files that are no test results, or broken ones, are passed over.
 */
export async function testResultsDigest(directory: string): Promise<Digest | undefined> {
  const { default: glob } = await import('fast-glob')
  const names = await glob(['**/*.xml', '**/*.tap'], { cwd: directory, followSymbolicLinks: false, onlyFiles: true, caseSensitiveMatch: false, suppressErrors: true })
  for (const name of names.sort().slice(0, most)) {
    const digest = await fileDigest(join(directory, name))
    if (digest !== undefined) return { ...digest, source: readableLine(name) }
  }
  return undefined
}

async function fileDigest(path: string): Promise<Digest | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const start = await read(file, 0)
    if (/^\s*(?:<\?xml|<testsuite|<!--)/.test(beginning(start))) return await junitDigest(file)
    if (/^\s*(?:TAP version \d+|1\.\.\d+|(?:not )?ok\b)/.test(beginning(start))) return await tapDigest(file)
    return undefined
  } finally {
    await file.close()
  }
}

/** The rules for logs know TAP already; what else a TAP file says is no failure of a test. */
async function tapDigest(file: FileHandle): Promise<Digest | undefined> {
  const digest = openDigest()
  for await (const chunk of chunks(file)) digest.push(chunk)
  const found = digest.end()
  return found?.tool === 'TAP' ? found : undefined
}

interface Failure {
  line: number
  name: string
  file: string | undefined
  fileLine: number | undefined
  message: string
  text: string
}

/** The first <failure> or <error> of a <testcase>, as Ant, Surefire, pytest, Jest and others write it: https://github.com/testmoapp/junitxml */
async function junitDigest(file: FileHandle): Promise<Digest | undefined> {
  const { SaxesParser } = (await import('saxes')).default
  const parser = new SaxesParser()
  let testcase: Record<string, string> = {}
  let failure: Failure | undefined
  let ended = false
  let broken = false
  const onText = (text: string) => {
    if (failure !== undefined && !ended && failure.text.length < longestWords) failure.text += text.slice(0, longestWords)
  }
  parser.on('opentag', ({ name, attributes }) => {
    if (name === 'testcase') testcase = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, value.slice(0, longestWords)]))
    if ((name === 'failure' || name === 'error') && failure === undefined) failure = { line: parser.line, ...whatOf(testcase), message: (attributes['message'] ?? attributes['type'] ?? '').slice(0, longestWords), text: '' }
  })
  parser.on('closetag', ({ name }) => {
    ended ||= failure !== undefined && (name === 'failure' || name === 'error')
  })
  parser.on('text', onText)
  parser.on('cdata', onText)
  parser.on('error', () => {
    broken = true
  })
  const recode = openRecoder()
  const decoder = new TextDecoder()
  for await (const chunk of chunks(file)) {
    parser.write(decoder.decode(recode(chunk), { stream: true }))
    if (ended || broken) break
  }
  return failure && digestOf(failure)
}

function whatOf({ name = '', classname = '', file, line }: Record<string, string>): Pick<Failure, 'name' | 'file' | 'fileLine'> {
  return { name: [classname, name].filter((part) => part !== '').join(' > '), file, fileLine: line !== undefined && /^\d+$/.test(line) ? Number(line) : undefined }
}

function digestOf({ line, name, file, fileLine, message, text }: Failure): Digest {
  const head = readable(message)
  const said = [...head.split('\n'), ...readable(text).split('\n').filter((one) => !head.includes(one.trim()))]
  const lines = [readableLine(name), ...said.map((one) => one.slice(0, 500))].filter((one) => one.trim() !== '').slice(0, shownLines)
  const where = file === undefined ? place.exec(text)?.groups : { file, line: String(fileLine ?? '') }
  return {
    tool: 'JUnit',
    line,
    text: lines[0] ?? '',
    lines,
    ...(where !== undefined && { file: readableLine(where['file']!), ...(where['line'] !== '' && { fileLine: Number(where['line']) }) }),
  }
}

function beginning(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(openRecoder()(bytes.subarray(0, 400))).replace(/^(?:\u00ef\u00bb\u00bf|\ufeff)/, '')
}

async function* chunks(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < longest; ) {
    const chunk = await read(file, offset)
    if (chunk.length === 0) return
    offset += chunk.length
    yield chunk
  }
}

async function read(file: FileHandle, offset: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(chunkSize)
  const { bytesRead } = await file.read(buffer, 0, chunkSize, offset)
  return buffer.subarray(0, bytesRead)
}
