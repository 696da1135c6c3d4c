// The id of an execution: `<home id>/<pipeline>/<number>/<run>`, that of a build the same without the run.

/** The home id that the id of an execution, a build or a home begins with. */
export function homeOf(id: string): string {
  return id.split('/')[0]!
}

/** The name of the run, which may hold slashes itself. */
export function runOf(id: string): string {
  return id.split('/').slice(3).join('/')
}
