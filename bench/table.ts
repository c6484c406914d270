/** A Markdown table; columns from `right` on are numbers. */
export function table(
  head: readonly string[],
  body: readonly (readonly string[])[],
  right: number = head.length,
): string {
  const width = head.map((cell, i) => Math.max(cell.length, 3, ...body.map((line) => line[i]!.length)));
  const pad = (line: readonly string[]) =>
    `| ${line.map((cell, i) => i >= right ? cell.padStart(width[i]!) : cell.padEnd(width[i]!)).join(" | ")} |`;
  const rule = width.map((w, i) => i >= right ? `${"-".repeat(w - 1)}:` : "-".repeat(w));
  return [pad(head), pad(rule), ...body.map(pad)].join("\n");
}
