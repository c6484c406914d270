// What `connect-lb doctor` found, for its tests.
import assert from "node:assert/strict";
import { run } from "./support.ts";

/** A finding, as `-o json` prints it. */
export interface Finding {
  readonly severity: string;
  readonly what: string;
  readonly where: readonly string[];
  readonly next: string;
}

export interface Report {
  readonly code: number;
  readonly findings: readonly Finding[];
  readonly etcd: readonly { readonly version?: string; readonly trouble?: string }[];
  readonly endpoints: readonly { readonly address: string; readonly limitsPings?: boolean; readonly health?: string }[];
}

export async function doctor(
  url: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const { code, stdout, stderr } = await run(["doctor", "-o", "json", "--endpoints", url, ...args], { env });
  try {
    return { code, ...JSON.parse(stdout) as Omit<Report, "code"> };
  } catch {
    throw new Error(`no JSON: ${stdout}${stderr}`);
  }
}

/** Its findings include one with this text and this advice, here if a place is given. Fails with all of them if not. */
export function hasFinding({ code, findings }: Report, what: RegExp, next: RegExp, where?: RegExp): void {
  const found = findings.some((finding) => {
    return what.test(finding.what) && next.test(finding.next) &&
      (where === undefined || finding.where.some((place) => where.test(place)));
  });
  assert.ok(found, `not found: ${what} ${next} ${where} in ${JSON.stringify(findings, null, 1)}`);
  assert.equal(code, 1);
}

/** It found nothing; what a busy machine makes slow doesn't count. */
export function hasNothing({ findings }: Report): void {
  assert.deepEqual(findings.filter(({ what }) => !/answers slowly/.test(what)), []);
}
