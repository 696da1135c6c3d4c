import { openRegular } from '../disk/open-regular.ts'
import { wholeJson } from '../model/whole-json.ts'

/** What a JSON file of a record holds; undefined where it is missing, larger than `most` bytes, or being written just now. */
export async function readJson(path: string, most: number): Promise<unknown> {
  const file = await openRegular(path)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    return size > most ? undefined : wholeJson(await file.readFile('utf8'))
  } finally {
    await file.close()
  }
}
