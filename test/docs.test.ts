import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fastGlob from 'fast-glob'
import { expect, test } from 'vitest'
import { commands } from '../src/commands/commands.ts'

const pages = fastGlob.sync(['*.md', 'docs/*.md', 'examples/**/*.md'])

test.each(pages)('every link of %s leads somewhere, to a heading where it names one', (page) => {
  for (const [, link] of readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) {
    const [path, anchor] = link!.split('#') as [string, string?]
    if (/^[a-z]+:/.test(path)) continue
    const target = path === '' ? page : join(dirname(page), path)
    expect(existsSync(target), `${link} in ${page}`).toBe(true)
    if (anchor !== undefined) expect(headings(target), `${link} in ${page}`).toContain(anchor)
  }
})

test('every `quern <command>` that a page names exists', () => {
  for (const page of pages) {
    for (const [, name] of readFileSync(page, 'utf8').matchAll(/(?:`|^ {4}(?:\S*\/)?)quern ([a-z][a-z-]+)/gm)) expect(Object.keys(commands), `quern ${name} in ${page}`).toContain(name)
  }
})

/** Anchors as GitHub makes them. */
function headings(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'))
}
