import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { LoadBalancer } from "../../gen/grpclb/balancer/v1/balancer_pb.ts";
import { lookAsideResolver, type LookAsideResolverOptions, weightOfScore } from "../../src/look-aside.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { balanced } from "../support/balanced.ts";

/** A resolver whose balancers answer what a test sets; undefined: they don't answer. */
function open(options: Partial<LookAsideResolverOptions> = {}) {
  const clock = new ManualClock();
  const scripted = {
    servers: [] as { address: string; score: bigint }[] | ConnectError | undefined,
    asked: [] as string[],
  };
  const { connector, links } = fakeConnector({
    auto: true,
    transport: ({ address }) =>
      createRouterTransport((router) =>
        router.service(LoadBalancer, {
          servers({ target }) {
            scripted.asked.push(`${clock.now()} ${address} ${target}`);
            const { servers } = scripted;
            if (servers === undefined) return new Promise<never>(() => {});
            if (servers instanceof ConnectError) throw servers;
            return { servers };
          },
        })
      ),
  });
  const resolver = lookAsideResolver({
    target: "orders",
    balancers: ["lb-a:8383", "lb-b:8383"],
    connector,
    clock,
    random: () => 0.5,
    ...options,
  });
  const follow = () => {
    const stop = new AbortController(), seen: Resolution[] = [];
    const ended = (async () => {
      for await (const resolution of resolver.resolve(stop.signal)) seen.push(resolution);
    })();
    return {
      seen,
      end() {
        stop.abort();
        return ended;
      },
    };
  };
  return { clock, scripted, resolver, follow, links };
}

describe("lookAsideResolver", () => {
  it("yields the balancer's servers, whose scores become weights and metadata", async () => {
    const { clock, scripted, follow } = open();
    scripted.servers = [{ address: "10.0.0.2:80", score: 3n }, { address: "10.0.0.1:80", score: 0n }];
    const { seen, end } = follow();
    await clock.advance(100);
    assert.deepEqual(seen, [{
      endpoints: [
        { address: "10.0.0.1:80", weight: 1, metadata: { score: 0 } },
        { address: "10.0.0.2:80", weight: 0.5, metadata: { score: 3 } },
      ],
    }]);
    await end();
  });

  it("asks one balancer every two seconds while it is consumed, over one connection, and closes it then", async () => {
    const { clock, scripted, follow, links } = open();
    assert.equal(links.size, 0, "creating it does nothing");
    const [first, second] = [follow(), follow()];
    await clock.advance(4_100);
    assert.deepEqual(scripted.asked, ["0 lb-a:8383 orders", "2000 lb-a:8383 orders", "4000 lb-a:8383 orders"]);
    assert.equal(links.get("lb-a:8383")!.opened, 1);
    await first.end();
    assert.equal(links.get("lb-a:8383")!.closed, false);
    await second.end();
    await settled();
    assert.equal(links.get("lb-a:8383")!.closed, true);
    await clock.advance(10_000);
    assert.equal(scripted.asked.length, 3);
    assert.deepEqual(clock.pending, []);
  });

  it("keeps the last set while the balancer doesn't answer, and asks again", async () => {
    const { clock, scripted, follow } = open();
    scripted.servers = [{ address: "10.0.0.1:80", score: 0n }];
    const { seen, end } = follow();
    await clock.advance(100);
    scripted.servers = undefined;
    await clock.advance(4_000);
    const { endpoints, stale } = seen.at(-1)!;
    assert.deepEqual(endpoints!.map(({ address }) => address), ["10.0.0.1:80"]);
    assert.match(stale!.cause.message, /^asking the look-aside balancer for orders failed: no answer within 2000 ms/);
    scripted.servers = [{ address: "10.0.0.9:80", score: 0n }];
    await clock.advance(2_000);
    assert.deepEqual(seen.at(-1)!.endpoints!.map(({ address }) => address), ["10.0.0.9:80"]);
    assert.equal(seen.at(-1)!.stale, undefined);
    await end();
  });

  it("lists once for transports that don't watch, and closes the connection", async () => {
    const { scripted, resolver, links, clock } = open({ weightOf: () => undefined });
    scripted.servers = [{ address: "10.0.0.1:80", score: 7n }];
    const listed = resolver.list!(new AbortController().signal);
    await clock.advance(40);
    assert.deepEqual(await listed, { endpoints: [{ address: "10.0.0.1:80", metadata: { score: 7 } }] });
    await settled();
    assert.equal(links.get("lb-a:8383")!.closed, true);
    scripted.servers = new ConnectError("who are you", Code.PermissionDenied);
    const refused = assert.rejects(
      resolver.list!(new AbortController().signal),
      /balancer for orders failed: \[permission_denied\] who are you/,
    );
    await clock.advance(40);
    await refused;
  });

  it("never makes a client open a local socket, or anything else that is no host and port", async () => {
    const { clock, scripted, resolver } = open();
    scripted.servers = ["unix:/run/docker.sock", "http://10.0.0.1/", "10.0.0.1:0", "10.0.0.1:80"]
      .map((address) => ({ address, score: 0n }));
    const { transport, client, clock: callClock, events } = balanced({ resolver });
    const answer = client.route({ data: "" });
    for (let i = 0; i < 5; i++) {
      await clock.advance(40);
      await callClock.advance(40);
    }
    await answer;
    assert.deepEqual(transport.snapshot().endpoints!.map(({ endpoint }) => endpoint.address), ["10.0.0.1:80"]);
    assert.equal(events.filter(({ type }) => type === "endpoint-skipped").length, 3);
    await transport.close();
  });

  it("gives half the calls to a server with four times the load, and most to one without any", () => {
    assert.deepEqual([0, 3, 15, 63, -1].map(weightOfScore), [1, 1 / 2, 1 / 4, 1 / 8, 1]);
  });

  it("takes a resolver of balancers, and says what is wrong with its options", async () => {
    const { connector } = fakeConnector();
    lookAsideResolver({ target: "a", balancers: staticResolver(["lb:1"]), connector });
    const wrong = (options: object, message: RegExp) => {
      const all = { target: "a", balancers: ["lb:1"], connector, ...options };
      assert.throws(() => lookAsideResolver(all as LookAsideResolverOptions), { message });
    };
    wrong({ target: "" }, /option target is ""/);
    wrong({ balancers: [] }, /option balancers is an array: expected an array of addresses/);
    wrong({ balancers: ["lb"] }, /address "lb" has no port/);
    wrong({ connector: undefined }, /option connector is undefined/);
    wrong({ intervalMs: 0 }, /option intervalMs is 0/);
    wrong({ weight: 1 }, /has no option "weight": did you mean weightOf/);
  });
});
