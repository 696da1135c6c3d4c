import { styleText } from 'node:util'
import { readableLine } from '../model/readable.ts'

type Style = Parameters<typeof styleText>[0]

/** Colours text where stdout is a terminal that wants colours (NO_COLOR is respected). */
export function paint(style: Style, text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(style, text) : text
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2))
}

/** One cell: words of anybody, made safe for a terminal, and the style that they are shown in. */
export interface Cell {
  text: string
  style?: Style
}

/** The text of a cell in its style. */
export function paintCell({ text, style }: Cell): string {
  return style === undefined ? text : paint(style, text)
}

/** Prints rows as columns, each line behind `indent`. The last column is not padded. */
export function printTable(rows: (string | Cell)[][], indent = ''): void {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: readableLine(cell) } : { ...cell, text: readableLine(cell.text) })))
  const widths = (cells[0] ?? []).map((_, column) => cells.reduce((width, row) => Math.max(width, row[column]!.text.length), 0))
  for (const row of cells) {
    const line = row.map((cell, column) => {
      const padding = column === row.length - 1 ? '' : ' '.repeat(widths[column]! - cell.text.length)
      return `${paintCell(cell)}${padding}`
    })
    printLine(`${indent}${line.join('  ')}`.trimEnd())
  }
}
