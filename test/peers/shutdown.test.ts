import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { eventually } from "../support/eventually.ts";
import { type PeerKind, PEERS, startPeer } from "./peer.ts";
import { peersSkipped } from "./programs.ts";
import { type Proxy, startHaproxy, startNginx } from "./proxies.ts";
import { COUNTED } from "./servers/answers.ts";

const IN_FLIGHT = 16;
/** What the calls of one stretch must have been before the next thing happens to a server. */
const CALLS_BETWEEN = 300;

/** Three of a kind, of which two are to end. */
interface Group {
  readonly addresses: readonly string[];
  /** How to end the first and the second. */
  readonly end: readonly (() => Promise<unknown>)[];
  /** What the servers printed. */
  lines(): readonly string[];
  stop(): Promise<unknown>;
}

async function peers(kind: PeerKind): Promise<Group> {
  const three = await Promise.all([startPeer(kind), startPeer(kind), startPeer(kind)]);
  return {
    addresses: three.map(({ address }) => address),
    end: three.slice(1).map((peer) => () => peer.stop()),
    lines: () => three.flatMap(({ child }) => child.lines),
    stop: () => Promise.all(three.map((peer) => peer.stop())),
  };
}

async function proxies(start: (upstream: string) => Promise<Proxy>): Promise<Group> {
  const server = await startPeer(PEERS[0]!);
  const three = await Promise.all([start(server.address), start(server.address), start(server.address)]);
  return {
    addresses: three.map(({ plain }) => plain),
    end: three.slice(1).map((proxy) => () => proxy.quit()),
    lines: () => server.child.lines,
    stop: () => Promise.all([...three, server].map((started) => started.stop())),
  };
}

const GROUPS: readonly { name: string; start: () => Promise<Group>; skip?: string | false }[] = [
  ...PEERS.map((kind) => ({ name: `servers on ${kind.name}`, start: () => peers(kind) })),
  { name: "nginx proxies", start: () => proxies(startNginx), skip: peersSkipped },
  { name: "HAProxy proxies", start: () => proxies(startHaproxy), skip: peersSkipped },
];

for (const { name, start, skip = false } of GROUPS) {
  describe(`while ${name} end one after the other`, { skip }, () => {
    it("answers every call, and none is processed twice", async () => {
      const group = await start();
      const transport = createBalancedTransport({
        resolver: staticResolver([...group.addresses]),
        connector: grpcConnector(),
      });
      await transport.connect();
      const client = createClient(Simple, transport);

      let calls = 0, stopped = false;
      const failures: unknown[] = [];
      // Client streams are not idempotent: only what a server never took may be sent again.
      const worker = async () => {
        while (!stopped) {
          const data = `${COUNTED}${calls++}`;
          const { value } = await client.routeClientStream(slowly(data)).catch((error) => {
            failures.push(error);
            return { value: "" };
          });
          if (value !== `2 ${2 * data.length}`) failures.push(value);
        }
      };
      const workers = Array.from({ length: IN_FLIGHT }, worker);
      try {
        await more(() => calls);
        for (const end of group.end) {
          await end();
          await more(() => calls);
        }
      } finally {
        stopped = true;
        await Promise.all(workers);
        await transport.close();
        await group.stop();
      }
      assert.deepEqual(failures, []);
      const taken = group.lines().filter((line) => line.startsWith("took "));
      assert.ok(taken.length > 0);
      assert.equal(new Set(taken).size, taken.length, "a call was processed twice");
    });
  });
}

/** Two messages with a moment between them, so that there is always a call that a server has to let finish. */
async function* slowly(data: string) {
  yield { data };
  await sleep(5);
  yield { data };
}

/** Waits for more calls. */
function more(calls: () => number): Promise<true> {
  const wanted = calls() + CALLS_BETWEEN;
  return eventually("calls go on", () => calls() >= wanted);
}
