const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const latin1 = new TextDecoder('windows-1252')

/** Turns a stream of bytes in UTF-16, found by its mark or its zeros, into UTF-8; every other stream passes as it is. */
export function openRecoder(): (chunk: Uint8Array) => Uint8Array {
  let decoder: InstanceType<typeof TextDecoder> | 'none' | undefined
  return (chunk) => {
    decoder ??= utf16Of(chunk) ?? 'none'
    return decoder === 'none' ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }))
  }
}

/** The text of a whole piece of a log: UTF-16 where it is that, otherwise line by line UTF-8 or, where that fails, Latin-1. */
export function decode(bytes: Uint8Array): string {
  const utf16 = utf16Of(bytes)
  if (utf16 !== undefined) return utf16.decode(bytes.subarray(0, bytes.length & ~1))
  try {
    return utf8.decode(bytes)
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1').split('\n').map(decodeLine).join('\n')
  }
}

/** The same for one line that is held as one character a byte. */
export function decodeLine(line: string): string {
  const bytes = Buffer.from(line, 'latin1')
  try {
    return utf8.decode(bytes)
  } catch {
    return latin1.decode(bytes)
  }
}

/** ASCII text in UTF-16 has a zero in every second byte. */
function utf16Of(start: Uint8Array): InstanceType<typeof TextDecoder> | undefined {
  if (start[0] === 0xff && start[1] === 0xfe) return new TextDecoder('utf-16le')
  if (start[0] === 0xfe && start[1] === 0xff) return new TextDecoder('utf-16be')
  const pairs = Math.min(start.length >> 1, 256)
  if (pairs < 4) return undefined
  const zeros = [0, 0]
  for (let index = 0; index < pairs * 2; index++) if (start[index] === 0) zeros[index & 1]!++
  if (zeros[1]! > pairs * 0.7 && zeros[0]! < pairs * 0.1) return new TextDecoder('utf-16le')
  if (zeros[0]! > pairs * 0.7 && zeros[1]! < pairs * 0.1) return new TextDecoder('utf-16be')
  return undefined
}
