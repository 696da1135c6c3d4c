import { dirname } from 'node:path'
import type { CheckoutOptions } from '../../git/check-out.ts'
import type { Mount } from '../workshop.ts'
import type { SettlerSettings } from './settle.ts'

/** Checks out under the eye that runs are under: whoever chose the commit chose what its tree takes of the disk. */
export async function checkOutWatched(options: CheckoutOptions & { signal: AbortSignal }, { guardWork }: Pick<SettlerSettings, 'guardWork'>): Promise<Mount[]> {
  const { checkOut } = await import('../../git/check-out.ts')
  const place = { workspace: dirname(options.directory), untrusted: !options.trusted }
  const { mounts } = await guardWork(place, options.signal, (signal) => checkOut({ ...options, signal }))
  return mounts
}
