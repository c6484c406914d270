// What the demo counts: calls by phase and server.

/** A stretch of calls; those between two steady phases are made while something changes. */
export interface Phase {
  readonly name: string;
  /** How many servers the calls have to go round; undefined while something changes. */
  readonly over: number | undefined;
  readonly served: string[];
  failed: number;
}

/** Strict rotation: any n calls in a row go to n different servers. */
export function strict({ over, served }: Phase): boolean {
  if (over === undefined) return true;
  const rounds = served.slice(0, served.length - over + 1);
  return rounds.length > 0 && rounds.every((_, i) => new Set(served.slice(i, i + over)).size === over) &&
    new Set(served).size === over;
}

/** Calls by phase and server. */
export function table(names: readonly string[], phases: readonly Phase[]): string {
  const rows = [["phase", ...names, "calls", "failed", "rotation"]];
  for (const phase of phases) {
    const { name, over, served, failed } = phase;
    if (over === undefined && served.length + failed === 0) continue;
    const counts = names.map((server) => String(served.filter((s) => s === server).length));
    const rotation = over === undefined ? "(changing)" : strict(phase) ? `strict, over ${over}` : "WRONG";
    rows.push([name, ...counts, String(served.length + failed), String(failed), rotation]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
      .join("   ").trimEnd()
  ).join("\n");
}
