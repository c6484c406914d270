// `npm run test:mixed`: servers in several languages in one etcd, with the proxy and this library's client on each runtime.
// Fails if a call fails.
import process from "node:process";
import { commandLine } from "../support/command-line.ts";
import { type Runtime, startScript } from "../support/process.ts";
import type { MixedOutcome } from "./program.ts";

const USAGE =
  `Servers in Go, Python, Java and on Node, Bun and Deno, each registered in one etcd in its own way, are called by
clients in Go and Python through the proxy, and by this library's client directly: every pair, by turns, and while each
server is killed and restarted.

  npm run test:mixed [-- options]

  --runtime <name,…>   the proxy and this library's client only on these: node, bun, deno
  --quick              one server is killed and one restarted, as in npm test
  --help               this text`;

const { values } = commandLine(USAGE, {
  options: {
    runtime: { type: "string", default: "node,bun,deno" },
    quick: { type: "boolean", default: false },
  },
});
let broken = 0;
for (const runtime of values.runtime.split(",") as Runtime[]) {
  console.log(`\n── proxy and client on ${runtime}\n`);
  const program = startScript(runtime, "test/mixed/program.ts", values.quick ? ["--quick"] : []);
  let outcome: MixedOutcome | undefined;
  try {
    for (let from = 0; outcome === undefined; from++) {
      const [line] = await program.line(/^.*$/, { timeoutMs: 600_000, from });
      if (line.startsWith("outcome ")) outcome = JSON.parse(line.slice("outcome ".length)) as MixedOutcome;
      else console.log(line);
    }
    for (const why of outcome.missing) console.log(`left out: ${why}`);
    for (const failure of outcome.failed.slice(0, 10)) console.log(`    ${failure}`);
    console.log(`${outcome.failed.length === 0 ? "✔" : "✘"} ${outcome.calls} calls, ${outcome.failed.length} failed`);
  } catch (error) {
    console.log(`✘ ${(error as Error).message}`);
  }
  await program.stop();
  if (outcome === undefined || outcome.failed.length > 0) broken++;
}
process.exit(broken === 0 ? 0 : 1);
