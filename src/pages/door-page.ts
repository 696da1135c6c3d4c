import { html } from 'hono/html'
import { page, type Html, type Site } from './layout.ts'

/** What stands at the address itself. It lists no builds: who has no link is not handed the names of private repositories. */
export function doorPage(site: Site): Html {
  return page(site, {
    title: 'Builds',
    heading: site.ciName,
    body: html`<p>This is a continuous integration server. Mails, checks on patches and <code>quern show</code> link the page of each build:</p>
<p><code>${site.base}/builds/&lt;pipeline&gt;/&lt;number&gt;</code></p>
<p>The builds of <code>owner/name</code> are below <code>${site.base}/builds/owner~name/</code>, from 1 on.</p>
`,
  })
}
