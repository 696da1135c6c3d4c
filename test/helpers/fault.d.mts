export function armFault(options: { calls?: string[]; at: number; error: string; under?: string }): { count(): number; happened(): boolean }
export function disarmFault(): void
