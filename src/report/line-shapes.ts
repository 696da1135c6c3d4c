/** Remembers the shapes of some lines, their numbers aside: a log has many that differ in nothing else. */
export function openShapes(): { add(line: string): void; has(line: string): boolean } {
  const shapes = new Set<string>()
  const shapeOf = (line: string) => line.replace(/\d+/g, '0')
  return {
    add(line) {
      if (shapes.size >= 1000) shapes.clear()
      shapes.add(shapeOf(line))
    },
    has: (line) => shapes.has(shapeOf(line)),
  }
}
