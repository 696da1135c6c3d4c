import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import fastGlob from 'fast-glob'
import { expect, test } from 'vitest'

/** The floors of the house, top first. A file imports from its own room and from floors below, never sideways or up. */
const floors = [
  ['start', 'main', 'testing'],
  ['commands'],
  ['build', 'webhook', 'pages', 'config'],
  ['patchwork', 'queue', 'plan', 'executor', 'record', 'report', 'publish'],
  ['git', 'ledger', 'secrets'],
  ['disk', 'log', 'yaml'],
  ['model'],
]

const files = fastGlob.sync('src/**/*.{ts,tsx}')

test.each(files)('%s imports only from its own room and from floors below', (file) => {
  const room = roomOf(file)
  for (const target of importsOf(file).map(roomOf)) {
    if (target !== room) expect(floorOf(target), `${room} imports ${target}`).toBeGreaterThan(floorOf(room))
  }
})

function roomOf(file: string): string {
  return file.split('/')[1]!.replace(/\.tsx?$/, '')
}

function floorOf(room: string): number {
  const floor = floors.findIndex((rooms) => rooms.includes(room))
  expect(floor, `the room ${room} has no floor in the import table`).toBeGreaterThanOrEqual(0)
  return floor
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((match) => relative('.', join(dirname(file), match[1]!)))
}
