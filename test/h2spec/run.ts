import type { Peer } from "../peers/peer.ts";
import { start } from "../support/process.ts";

/** h2spec's groups of cases. */
export const GROUPS = ["generic", "http2", "hpack"] as const;
export type Group = (typeof GROUPS)[number];

/** How the cases of a group went. */
export interface Result {
  readonly passed: number;
  /** What h2spec could not try, because the server's answers were too short or the like. */
  readonly skipped: number;
  readonly failed: number;
  /** The cases that failed or were skipped. */
  readonly cases: readonly string[];
  /** All that h2spec printed. */
  readonly report: string;
}

/** A group's cases on a server of a kind. */
export interface Outcome extends Result {
  readonly server: string;
  readonly group: Group;
}

/** Runs a group of cases. */
export async function runGroup(h2spec: string, group: Group, peer: Peer, tls: boolean): Promise<Result> {
  const [host, port] = peer.address.split(":") as [string, string];
  const secure = tls ? ["--tls", "--insecure"] : [];
  const child = start(h2spec, [group, "--strict", "-h", host, "-p", port, ...secure], { env: { NO_COLOR: "1" } });
  await child.exited;
  const report = child.lines.join("\n");
  const [, passed, skipped, failed] = /(\d+) passed, (\d+) skipped, (\d+) failed/.exec(report) ?? [0, 0, 0, 1];
  // Each case is printed as it begins, and again when it has passed (✔) or failed (×), but not when it was skipped.
  const lines = child.lines.map((line) => line.trim());
  const ended = new Set(lines.filter((line) => /^[✔×] /.test(line)));
  const begun = lines.filter((line) => /^\d+: /.test(line) && !ended.has(`✔ ${line}`));
  const cases = begun.map((line) => `${ended.has(`× ${line}`) ? "failed" : "skipped"}: ${line.replace(/^\d+: /, "")}`);
  return {
    passed: Number(passed),
    skipped: Number(skipped),
    failed: Number(failed),
    cases,
    report,
  };
}
