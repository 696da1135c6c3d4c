/** Whether this process may do what only root may. */
export function isRoot(): boolean {
  return process.getuid?.() === 0
}
