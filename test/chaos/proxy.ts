// The proxy in a process of its own: `proxy.ts --to <address,…> --port <port>`. It tells when it is first
// called from a language.
import process from "node:process";
import { parseArgs } from "node:util";
import { type CallObserver, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { createProxy, shutdown } from "../../src/server.ts";
import { LedgerWriter } from "./ledger.ts";
import { LANGUAGE } from "./through-proxy.ts";

const { values } = parseArgs({
  options: { to: { type: "string" }, port: { type: "string", default: "0" }, ledger: { type: "string" } },
});
// The servers write theirs; this one stays empty, for those who read all of them.
new LedgerWriter(values.ledger!).close();
const seen = new Set<string>();
const observer: CallObserver = {
  attemptStarted({ header }) {
    const language = header.get(LANGUAGE) ?? "";
    if (!seen.has(language)) console.log(`called from ${language}`);
    seen.add(language);
  },
};
const to = { resolver: staticResolver(values.to!.split(",")), connector: grpcConnector(), observers: [observer] };
const proxy = createProxy({ routes: [{ to }] });
const { port } = await proxy.listen({ host: "127.0.0.1", port: Number(values.port) });
process.once("SIGTERM", async () => {
  await shutdown(proxy);
  process.exit(0);
});
console.log(`listening ${port}`);
// Ends with the process that started it, also when that is killed.
process.stdin.on("end", () => process.exit(0)).resume();
