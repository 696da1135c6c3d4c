import { html } from 'hono/html'
import type { Tail } from '../report/tail.ts'
import { size } from './facts.ts'
import type { Html } from './layout.ts'

/** Lines that a person takes in at a look. */
const oneLook = 40

/** The end of a run's log, and the way to all of it. */
export function logPart({ bytes, tail, leftOut }: Tail, address: string): Html {
  if (bytes === 0) return html`<h2>Console log</h2>\n<p>Nothing was printed.</p>\n`
  const isLong = leftOut > 0 || tail.split('\n').length > oneLook
  const whole = html`<a href="${address}">The whole log</a> (${size(bytes)})`
  return html`<h2>Console log</h2>
<p>${whole}${leftOut > 0 ? `; these are its last ${size(bytes - leftOut)}.` : '.'}${isLong ? html` <a href="#end">To its end</a>` : ''}</p>
<pre>${tail}<span id="end"></span></pre>
`
}
