/** A value shorter than this, in characters, is not masked: it would be found everywhere, and the masks would tell it. */
export const shortestSecret = 4

/** Shortest line of a secret of many lines that is masked by itself, and shortest encoded form, in characters. */
const shortestLine = 8
const shortestForm = 5

/** Where common encoders break base64: base64(1) and MIME at 76 characters, PEM at 64. */
const wraps = [76, 64]

/**
 * The ways a secret may appear in output: as it is, its lines, in base64 (at each of the three offsets it can have to
 * the text around it), escaped for a URL, for JSON, and as bash prints it in a trace. Longest first, each once.
 */
export function secretForms(secrets: Iterable<string>): Buffer[] {
  const forms = new Set<string>()
  for (const secret of secrets) {
    for (const value of new Set([secret, secret.trim()])) {
      if (value.length >= shortestSecret) for (const form of formsOf(value)) forms.add(form)
    }
  }
  return [...forms].map((form) => Buffer.from(form)).sort((one, other) => other.length - one.length)
}

function formsOf(value: string): string[] {
  const lines = value.split('\n').map((line) => line.trim())
  const encoded = [...base64Forms(value), ...escapedForms(value)].filter((form) => form.length >= shortestForm)
  return [value, ...(lines.length > 1 ? lines.filter((line) => line.length >= shortestLine) : []), ...encoded]
}

/** RFC 4648. Within a longer text only the digits that the secret alone decides; by itself, with the last digit and the padding too. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value)
  const aligned = [0, 1, 2].map((offset) => {
    const digits = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    return digits.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  })
  const broken = wraps.flatMap((width) => (aligned[0]!.length > width ? cut(aligned[0]!, width) : []))
  return [...aligned, bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, ''), ...broken].flatMap((digits) => [digits, digits.replaceAll('+', '-').replaceAll('/', '_')])
}

function cut(text: string, width: number): string[] {
  return Array.from({ length: Math.ceil(text.length / width) }, (_, index) => text.slice(index * width, (index + 1) * width)).filter((part) => part.length >= shortestLine)
}

function escapedForms(value: string): string[] {
  const url = encodeURIComponent(Buffer.from(value).toString())
  const json = JSON.stringify(value).slice(1, -1)
  return [
    url,
    url.replaceAll('%20', '+'),
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    url.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
    json,
    json.replaceAll('/', '\\/'),
    // eslint-disable-next-line no-control-regex
    json.replace(/[^\x00-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
    value.replaceAll("'", "'\\''"),
    value.replace(/[^A-Za-z0-9_@%+=:,./-]/g, '\\$&'),
  ]
}
