// `npm run test:h2spec`: the HTTP/2 conformance suite h2spec against this library's server on Node, Bun and Deno, with and
// without TLS. It is a Go program, which is built from the Go module proxy into .tmp/ and needs `go` on the PATH.
import process from "node:process";
import { startPeer } from "../peers/peer.ts";
import { commandLine } from "../support/command-line.ts";
import type { Runtime } from "../support/process.ts";
import { hasGo } from "../support/go.ts";
import { buildH2spec } from "./build.ts";
import { GROUPS, type Outcome, runGroup } from "./run.ts";

const RUNTIMES: readonly Runtime[] = ["node", "bun", "deno"];
const HELP = `npm run test:h2spec -- [node] [bun] [deno] [--server NAME] [--verbose]

Runs h2spec's cases (${
  GROUPS.join(", ")
}; also those that it calls strict) against a server on each runtime, in plaintext and
over TLS. Takes about a minute and needs Go.

  --server   connect-lb (the default), or connect-node for comparison
  --verbose  print h2spec's own report of each group in which a case failed or was skipped`;

const { values, positionals } = commandLine(HELP, {
  allowPositionals: true,
  options: {
    server: { type: "string", default: "connect-lb" },
    verbose: { type: "boolean", default: false },
  },
});
const runtimes = positionals.length > 0 ? positionals as Runtime[] : RUNTIMES;
const script = values.server as "connect-lb" | "connect-node";
const unknown = !["connect-lb", "connect-node"].includes(script) || runtimes.some((name) => !RUNTIMES.includes(name));
if (unknown) {
  console.error(HELP);
  process.exit(2);
}
if (!hasGo()) {
  console.error('h2spec is a Go program: put Go 1.24 or newer on the PATH ("go").');
  process.exit(1);
}

const h2spec = buildH2spec();
const outcomes: Outcome[] = [];
for (const on of runtimes) {
  for (const tls of [false, true]) {
    for (const group of GROUPS) {
      // A server of its own: what one group's cases leave behind must not help or hinder the next.
      const peer = await startPeer({ name: script, script, on }, ...(tls ? ["--tls"] : []));
      try {
        outcomes.push({ server: `${on}${tls ? ", TLS" : ""}`, group, ...await runGroup(h2spec, group, peer, tls) });
      } finally {
        await peer.stop();
      }
    }
  }
}

const table = [
  ["server", "group", "passed", "skipped", "failed"],
  ...outcomes.map(({ server, group, passed, skipped, failed }) => [server, group, passed, skipped, failed].map(String)),
];
console.log();
for (const row of table) console.log(row.map((cell, i) => i < 2 ? cell.padEnd(12) : cell.padStart(9)).join(""));
const imperfect = outcomes.filter((outcome) => outcome.skipped + outcome.failed > 0 || outcome.passed === 0);
for (const { server, group, cases, report } of imperfect) {
  console.log(`\n${server}, ${group}:`);
  for (const one of cases) console.log(`  ${one}`);
  if (values.verbose || cases.length === 0) console.log(report);
}
const total = outcomes.reduce((sum, { passed }) => sum + passed, 0);
console.log(`\n${total} cases passed${imperfect.length === 0 ? "" : "; not all of them did"}`);
process.exit(imperfect.length === 0 ? 0 : 1);
