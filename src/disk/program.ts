import { spawn } from 'node:child_process'

/** Runs a program that works on files and prints nothing. @throws with the first of what it complains about */
export function runProgram(name: string, options: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, options, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'], LC_ALL: 'C' } })
    let complaint = ''
    child.on('error', reject)
    // Where this process has no descriptors left, there is no pipe either.
    child.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(0, 500)))
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(complaint.trim() || `${name} ended with ${code}`))))
  })
}
