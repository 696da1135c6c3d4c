/** A name for files and refs: host, port and path of the server, and the project. */
export function sourceName(server: string, project: string): string {
  return `${plain(server)}-${plain(project)}`
}

/** The name of a series in this home: unique, since series are numbered per server. */
export function seriesName(series: { server: string; id: number }): string {
  return `${plain(series.server)}-${series.id}`
}

function plain(text: string): string {
  return text.replace(/^https?:\/\//, '').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '')
}
