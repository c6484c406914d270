/**
 * - `error`: calls or registrations fail;
 * - `warning`: they may, or some of them do;
 * - `note`: good to know; it doesn't count as a finding in the exit code.
 */
export type Severity = "error" | "warning" | "note";

/** Something that is wrong, and what to do about it. */
export interface Finding {
  readonly severity: Severity;
  /** What is wrong. The same text for the same fault in different places, so that they can be shown together. */
  readonly what: string;
  /** Where: an address, a key, an option. */
  readonly where: string;
  /** What to do. */
  readonly next: string;
}

/** A finding in one or more places. */
export interface GroupedFinding extends Omit<Finding, "where"> {
  readonly where: readonly string[];
}

const ORDER: readonly Severity[] = ["error", "warning", "note"];

/** Joins findings that differ only in their place; the worst come first, otherwise in their order. */
export function groupFindings(findings: readonly Finding[]): readonly GroupedFinding[] {
  const groups = new Map<string, GroupedFinding & { where: string[] }>();
  for (const { where, ...same } of findings) {
    const name = JSON.stringify([same.severity, same.what, same.next]);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { ...same, where: [where] });
    else if (!group.where.includes(where)) group.where.push(where);
  }
  return ORDER.flatMap((severity) => [...groups.values()].filter((group) => group.severity === severity));
}

/** Whether any of them is more than a note. */
export function hasFaults(findings: readonly Pick<Finding, "severity">[]): boolean {
  return findings.some(({ severity }) => severity !== "note");
}
