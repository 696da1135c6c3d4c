import { html, raw } from 'hono/html'
import type { Stage } from '../model/verdict.ts'
import { style } from './style.ts'

/** Markup, in which every text that went into the template is escaped. */
export type Html = ReturnType<typeof html>

/** What all pages of a server share. */
export interface Site {
  /** The path in front of every page, without a slash at the end. */
  base: string
  /** CI_NAME */
  ciName: string
}

/** A whole page. `trail` stands above the heading: where the reader is. */
export function page({ ciName }: Site, { title, trail, heading, body }: { title: string; trail?: Html; heading: Html | string; body: Html | Html[] }): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – ${ciName}</title>
<style>${raw(style)}</style>
</head>
<body>
<header><span>${ciName}</span>${trail}</header>
<main>
<h1>${heading}</h1>
${body}
</main>
</body>
</html>
`
}

const problems = {
  404: ['There is nothing here', 'There is no such build or run, or its record was removed.'],
  500: ['This page could not be drawn', 'The log of the receiver says why.'],
  503: ['Too many readers', 'Try again in a moment.'],
} as const

/** A page that says why there is no other. */
export function problemPage(site: Site, status: keyof typeof problems): Html {
  const [heading, words] = problems[status]
  return page(site, { title: heading, heading, body: html`<p>${words}</p>` })
}

/** The word, in its colour. */
export function verdictMark(verdict: Stage): Html {
  return html`<span class="verdict ${verdict}">${verdict}</span>`
}

/** Says so of what has no verdict yet. No page loads again by itself: that would take their place from those who read. */
export function unfinished(verdict: Stage): Html {
  return verdict === 'running' || verdict === 'queued' ? html`<p>It has not ended. Load this page again to see how far it is.</p>` : html``
}
