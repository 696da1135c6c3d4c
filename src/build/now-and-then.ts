/**
 * Does what never rejects again and again, until the call that it returns, which resolves when the last one is done. Those
 * whose time comes while one is at work are left out: they would pile up.
 */
export function nowAndThen(work: () => Promise<void>, interval: number): () => Promise<void> {
  let last: Promise<void> | undefined
  const timer = setInterval(() => (last ??= work().finally(() => (last = undefined))), interval)
  return async () => {
    clearInterval(timer)
    await last
  }
}
