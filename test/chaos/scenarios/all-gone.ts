import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connector } from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import { caller, KINDS } from "../calls.ts";
import { RUNTIMES } from "../environment.ts";
import { type CallRecord, makeCall, newRecord, showFailure } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls } from "../verdict.ts";

/** gRPC's connection-backoff.md with its jitter at its shortest: tries at 0, 0.8, 2.08, 4.13, 7.4 and 12.6 s. */
function mostConnects(downMs: number): number {
  let connects = 1;
  for (let atMs = 0, pauseMs = 1_000; (atMs += 0.8 * pauseMs) <= downMs; pauseMs *= 1.6) connects++;
  return connects;
}

/** How long a call that fails fast may take: it is not to wait for a connection. */
const AT_ONCE_MS = 100;

export const allGone: Scenario = {
  name: "all-gone",
  title: "all servers gone for 10 s, then back",
  bound: `fail-fast calls fail within ${AT_ONCE_MS} ms and say why; \`waitForReady\` calls all succeed; ` +
    "connects to each endpoint no more than its backoff allows",
  limitMs: 90_000,
  async run(environment) {
    const { figures, quick } = environment;
    const servers = await environment.servers(RUNTIMES);
    const addresses = servers.map(({ address }) => address);
    const connects = new Map<string, number>();
    const connector: Connector = (endpoint, events) => {
      const link = grpcConnector()(endpoint, events);
      const { address } = endpoint;
      const open = link.connect!.bind(link);
      link.connect = (signal) => {
        connects.set(address, (connects.get(address) ?? 0) + 1);
        return open(signal);
      };
      return link;
    };
    const observed = environment.observed(addresses, { connector });
    const { transport } = observed;
    const call = caller(transport);
    const records: CallRecord[] = [];
    const make = async (count: number, waitForReady: boolean) => {
      const made = Array.from({ length: count }, (_, i) => newRecord(KINDS[i % KINDS.length]!, 60_000));
      records.push(...made);
      return await Promise.all(made.map((record) => makeCall(call, record, { waitForReady })));
    };
    await make(64, false);
    await transport.connect();
    const up = addresses.filter((address) => observed.at(address).state === "ready");
    const lost = up.map((address) => observed.next("from", address));
    connects.clear();
    await Promise.all(servers.map((server) => server.kill()));
    await Promise.all(lost);
    const goneMs = performance.now();

    // The very first calls may still wait for the first try of each endpoint.
    const first = await make(16, false);
    const patient = make(64, true);
    const fast: CallRecord[] = [];
    const downMs = quick ? 500 : 10_000;
    while (performance.now() < goneMs + downMs) {
      fast.push(...await make(16, false));
      await sleep(100);
    }
    const tried = Math.max(...addresses.map((address) => connects.get(address) ?? 0));
    const allowed = mostConnects(performance.now() - goneMs);
    await Promise.all(servers.map((server) => server.start()));
    const backMs = performance.now();
    const waited = await patient;
    const waitedMs = Math.max(backMs, ...waited.map(({ endMs }) => endMs!)) - backMs;
    const after = await make(64, true);

    const failures = [...first, ...fast];
    const expected = new Set<CallRecord>(failures);
    const unexpected = judgeCalls(figures, records.filter((record) => !expected.has(record)), environment.ledger());
    figures.none("failed, waitForReady", [...waited, ...after].filter(({ error }) => error).map(showFailure));
    if (unexpected.length > 0) figures.fail(`${unexpected.length} calls failed: ${showFailure(unexpected[0]!)}`);
    figures.atLeast("failed fast", fast.length, 16);
    figures.none("unexplained", failures.filter((record) => !explained(record, addresses)).map(showFailure));
    const slowest = Math.max(...fast.map(({ startMs, endMs }) => endMs! - startMs));
    figures.within("slowest of them", slowest, AT_ONCE_MS);
    figures.atMost("connects per endpoint", tried, allowed);
    figures.note("last waiting call answered after", waitedMs, "ms");
  },
};

/** A call that failed fast names the code, how many endpoints there are, and a reason for each. */
function explained({ error }: CallRecord, addresses: readonly string[]): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.Unavailable) return false;
  const [, ...reasons] = error.message.split("; ");
  const reason = (address: string) =>
    reasons.some((text) => text.includes(address) && /\b(closed|reset|refused|ECONN[A-Z]+)\b/.test(text));
  return /has 3 endpoints/.test(error.message) && addresses.every(reason);
}
