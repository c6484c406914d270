// Rolling restarts of this library's servers, on the runtime of the test, under calls of every client that balances.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasGo } from "../../support/go.ts";
import { grpcGo } from "../../support/grpc-go.ts";
import { type Child, executable, runtime, start, startScript } from "../../support/process.ts";
import { eventually } from "../../support/eventually.ts";
import { type Peer, type PeerKind, startPeer } from "../peer.ts";

const SERVER: PeerKind = { name: "connect-lb", script: "connect-lb", on: runtime };
/** What the calls of one stretch must have been before the next server ends. */
const CALLS_BETWEEN = 300;

interface Client {
  readonly name: string;
  readonly skip?: string | false;
  start(addresses: string): Child;
}

const CLIENTS: readonly Client[] = [
  {
    name: "this library's client",
    start: (addresses) => startScript(runtime, "test/peers/clients/until-end.ts", ["connect-lb", addresses]),
  },
  {
    name: "connect-node's client under this library's balancer",
    start: (addresses) => startScript("node", "test/peers/clients/until-end.ts", ["connect-node", addresses]),
  },
  {
    name: "grpc-js",
    start: (addresses) => start(executable("node"), ["test/peers/clients/until-end.ts", "grpc-js", addresses]),
  },
  {
    name: "grpc-go",
    skip: !hasGo() && "there is no Go to build the client with",
    start: (addresses) => start(grpcGo("calls"), ["--until-end", addresses]),
  },
];

/** How many calls a client has made, as it last said. */
function callsOf(client: Child): number {
  const last = client.lines.findLast((line) => line.startsWith("calls "));
  return Number(last?.slice("calls ".length) ?? 0);
}

describe("while servers of this library restart one after the other", () => {
  for (const { name, skip = false, start } of CLIENTS) {
    it(`${name} has every call answered, and none processed twice`, { skip }, async () => {
      const servers: Peer[] = await Promise.all([startPeer(SERVER), startPeer(SERVER), startPeer(SERVER)]);
      const printed: string[] = [];
      const client = start(servers.map(({ address }) => address).join());
      const more = (count: number) => {
        const wanted = callsOf(client) + count;
        return eventually("calls go on", () => client.exit !== undefined || callsOf(client) >= wanted, 60_000);
      };
      try {
        await more(CALLS_BETWEEN);
        for (const [at, old] of servers.entries()) {
          assert.deepEqual(await old.child.stop(20_000), { code: 0, signal: null });
          assert.equal(old.child.lines.at(-1), "drained");
          printed.push(...old.child.lines);
          await more(CALLS_BETWEEN);
          const successor = servers[at] = await startPeer(SERVER, "--port", old.address.split(":")[1]!);
          // As in any rollout, the next one ends when this one serves: clients come back when their backoff has passed.
          await successor.child.line(/^took /);
        }
        client.write("end\n");
        await client.line(/^ended \d+$/);
      } catch (error) {
        throw new Error(`${error}; what the client printed last: ${client.lines.slice(-8).join("; ")}`, {
          cause: error,
        });
      } finally {
        await client.kill();
        await Promise.all(servers.map((server) => server.stop()));
      }
      printed.push(...servers.flatMap(({ child }) => child.lines));
      assert.deepEqual(client.lines.filter((line) => !/^(calls|ended) /.test(line)), []);
      const taken = printed.filter((line) => line.startsWith("took "));
      assert.ok(taken.length >= 4 * CALLS_BETWEEN);
      assert.equal(new Set(taken).size, taken.length, "a call was processed twice");
    });
  }
});
