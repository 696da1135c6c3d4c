import { html } from 'hono/html'
import type { Story } from '../report/story.ts'
import type { Html } from './layout.ts'

/** The first errors of runs that did not pass, by the words of every report. `nameOf` shows the run of a row. */
export function firstErrors({ errors }: Story, nameOf: (row: number) => Html | string): Html[] {
  return errors.map(({ row, place, guess, lines }) => {
    const where = place === undefined ? '' : html` (<code>${place}</code>)`
    return html`<h2>${guess ? 'The end of' : 'First error of'} ${nameOf(row)}${where}</h2>
<pre>${lines.join('\n')}</pre>
`
  })
}
