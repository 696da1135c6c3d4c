import * as v from 'valibot'

/** The path takes no characters that would have to be escaped: links are made by adding to it. */
const form = /^https?:\/\/[^\s/?#@\\]+(?:\/[A-Za-z0-9_.~-]+)*\/*$/i

/** What environment.sh may say about the pages. */
export const pagesEnvironment = {
  /** The address under which people reach the receiver, a path included; without a slash at the end. Without it there are no pages. */
  PUBLIC_URL: v.optional(
    v.pipe(
      v.string(),
      v.check((address) => form.test(address) && URL.canParse(address), 'expected an address like https://ci.example.org or https://example.org/ci, without user and query'),
      v.transform((address) => new URL(address).href.replace(/\/+$/, '')),
    ),
  ),
}
