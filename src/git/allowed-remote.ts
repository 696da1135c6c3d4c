import { CheckoutError } from './git-error.ts'
import { readRemote, type Remote } from './remote.ts'

/**
 * Where a URL leads.
 * @throws {CheckoutError} where it is not one to clone from, or a path of this host although those are not allowed
 */
export function allowedRemote(address: string, localPaths: boolean): Remote {
  const remote = remoteOrError(address)
  if (remote.protocol === 'file' && !localPaths) throw new CheckoutError(`${remote.url} is a path of this host, which a request from outside must not name: expected an address like https://git.example.org/owner/repo.git`)
  return remote
}

function remoteOrError(address: string): Remote {
  try {
    return readRemote(address)
  } catch (error) {
    throw new CheckoutError((error as Error).message, { cause: error })
  }
}
