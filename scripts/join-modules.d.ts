export function joinModules(folder: string, entries: readonly string[]): Promise<void>
