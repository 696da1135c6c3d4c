import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { type Exit, exitOf } from './ending.ts'

/** What a process says by the line, and how it ends. */
export interface Answers {
  /** The next line that it says, or its end */
  next(): Promise<string | Exit>
  /** Whether it still runs. */
  isOpen(): boolean
}

/** @param link what it says comes from here; what stands in there when it ends is told before its end, since libuv looks at signals last */
export function openAnswers(child: ChildProcess, link: Socket): Answers {
  let text = ''
  let end: Exit | Error | undefined
  let tell: ((answer: string | Exit | Promise<never>) => void) | undefined
  const pass = () => {
    const length = text.indexOf('\n')
    const answer = length < 0 ? end : text.slice(0, length)
    if (answer === undefined || tell === undefined) return
    text = text.slice(length + 1)
    tell(answer instanceof Error ? Promise.reject(answer) : answer)
    tell = undefined
  }
  const finish = (how: Exit | Error) => {
    end = how
    pass()
  }
  exitOf(child).then(finish, finish)
  link.setEncoding('latin1')
  link.on('error', () => {})
  link.on('data', (data: string) => {
    text += data
    pass()
  })
  return {
    isOpen: () => end === undefined,
    next: () => new Promise((resolve) => {
      tell = resolve
      pass()
    }),
  }
}
