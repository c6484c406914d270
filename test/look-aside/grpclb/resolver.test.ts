import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import type { BalancedTransportOptions } from "../../../src/index.ts";
import { grpclbResolver, type GrpclbResolverOptions } from "../../../src/look-aside.ts";
import { staticResolver } from "../../../src/resolver/static.ts";
import { createBalancedTransport } from "../../../src/transport/transport.ts";
import { failureOf } from "../../support/balanced.ts";
import { fakeConnector } from "../../support/fake-links.ts";
import { ManualClock, settled } from "../../support/manual-clock.ts";
import { drop, ScriptedBalancer, server } from "./scripted-balancer.ts";

const BALANCER = "10.9.9.9:3000";

/** A transport over the resolver, with servers that answer with their address and the token they got. */
function open(
  t: TestContext,
  options: Partial<GrpclbResolverOptions> = {},
  transportOptions: Partial<BalancedTransportOptions> = {},
) {
  const clock = new ManualClock(), balancer = new ScriptedBalancer();
  const simple = (address: string) => (router: ConnectRouter) =>
    router.service(Simple, {
      route({ data }, { requestHeader }) {
        if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
        return { value: `${address} ${requestHeader.get("lb-token")}` };
      },
    });
  const { connector, links } = fakeConnector({
    auto: true,
    transport: ({ address }) => createRouterTransport(address === BALANCER ? balancer.routes : simple(address)),
  });
  const random = () => 0;
  const resolver = grpclbResolver({ name: "orders", balancers: [BALANCER], connector, clock, random, ...options });
  const transport = createBalancedTransport({ resolver, connector, clock, random, ...transportOptions });
  t.after(() => transport.close());
  const client = createClient(Simple, transport);
  const settle = (ms = 100) => clock.advance(ms);
  return {
    clock,
    balancer,
    links,
    transport,
    client,
    settle,
    resolver,
    /** Begins, and has a stream that began. */
    async begin(intervalMs = 0) {
      transport.connect().catch(() => {});
      await settle();
      balancer.last.begin(intervalMs);
      await settle();
      return balancer.last;
    },
    /** What so many calls were answered with, or failed with. */
    async calls(count: number, data = "") {
      const answers: string[] = [];
      for (let i = 0; i < count; i++) {
        const call = client.route({ data }).then(({ value }) => value, (error) => (error as Error).message);
        await settle(0);
        answers.push(await call);
      }
      return answers;
    },
    addresses: () => transport.snapshot().endpoints?.map(({ endpoint }) => endpoint.address),
  };
}

const A = "10.0.0.1:80 token-a", B = "10.0.0.2:80 token-b";
const a = server("10.0.0.1:80", "token-a"), b = server("10.0.0.2:80", "token-b");
const dropped = "[unavailable] proto.Simple/Route: the look-aside balancer drops this call";

describe("grpclbResolver", () => {
  it("opens a stream for its name, and calls go around the list with each server's token", async (t) => {
    const { begin, balancer, calls, settle } = open(t);
    assert.equal(balancer.streams.length, 0, "creating it does nothing");
    const stream = await begin();
    assert.equal(stream.name, "orders");
    stream.list(b, a);
    await settle();
    // In the balancer's order.
    assert.deepEqual(await calls(5), [B, A, B, A, B]);
  });

  it("calls a server that stands in the list twice twice as often, with the tokens of both entries", async (t) => {
    const { begin, calls, settle } = open(t);
    const stream = await begin();
    stream.list(a, b, server("10.0.0.1:80", "again"));
    await settle();
    assert.deepEqual(await calls(6), [A, B, "10.0.0.1:80 again", A, B, "10.0.0.1:80 again"]);
  });

  it("drops the calls whose turn it is, as Unavailable, without a retry, even if they wait for readiness", async (t) => {
    const { begin, calls, settle, client } = open(t, {}, { waitForReady: true });
    const stream = await begin();
    stream.list(a, drop("quota"), b, drop("rate"));
    await settle();
    assert.deepEqual(await calls(8), [A, dropped, B, dropped, A, dropped, B, dropped]);
    await calls(1);
    assert.equal((await failureOf(client.route({ data: "" })) as ConnectError).code, Code.Unavailable);
  });

  it("follows a new list at once: tokens, drops and servers", async (t) => {
    const { begin, calls, settle, addresses } = open(t);
    const stream = await begin();
    stream.list(a);
    await settle();
    assert.deepEqual(await calls(1), [A]);
    stream.list(server("10.0.0.1:80", "new"), drop("x"));
    await settle();
    assert.deepEqual(await calls(3), ["10.0.0.1:80 new", dropped, "10.0.0.1:80 new"]);
    stream.list(b);
    await settle();
    assert.deepEqual(await calls(2), [B, B]);
    assert.deepEqual(addresses(), ["10.0.0.2:80"]);
    stream.list(drop("all"));
    await settle();
    assert.deepEqual(await calls(2), [dropped, dropped]);
    stream.list(a);
    await settle();
    assert.deepEqual(await calls(1), [A]);
  });

  it("drops none while no server can be called: calls that wait would be dropped too often", async (t) => {
    const { begin, calls, settle, links } = open(t);
    const stream = await begin();
    stream.list(a, drop("x"));
    await settle();
    links.get("10.0.0.1:80")!.events.lost(new Error("cut"));
    const refused = await calls(3);
    assert.ok(refused.every((text) => /every endpoint is failing/.test(text)), refused.join());
    await settle(5_000);
    assert.deepEqual(await calls(3), [A, dropped, A]);
  });

  it("reads IPv4, IPv6 and mapped addresses, and skips what is none", async (t) => {
    const events: string[] = [];
    const { begin, settle, addresses, calls } = open(t, {}, {
      onEvent: (event) => void (event.type === "endpoint-skipped" && events.push(event.cause.message)),
    });
    const stream = await begin();
    const v6 = Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 7]);
    stream.list(
      { ipAddress: v6, port: 80, loadBalanceToken: "ü\n" },
      { ipAddress: mapped, port: 80 },
      { ipAddress: new Uint8Array(3), port: 80 },
      { ipAddress: mapped, port: 0 },
      { ipAddress: mapped, port: -1 },
    );
    await settle();
    assert.deepEqual(addresses(), ["10.0.0.7:80", "[2001:db8::5]:80"]);
    assert.equal(events.length, 3);
    assert.match(events[0]!, /an IP address of 3 bytes/);
    // A token that a request can't carry is left out.
    assert.deepEqual(await calls(2), ["[2001:db8::5]:80 null", "10.0.0.7:80 null"]);
  });

  it("reports calls at the interval that the balancer asks for: finished, received, dropped by token", async (t) => {
    const { begin, calls, settle, client } = open(t);
    const stream = await begin(2_000);
    stream.list(a, drop("x"), b, drop("y"), drop("x"));
    await settle();
    await calls(5);
    await calls(1, "fail");
    await settle(2_000);
    const counts = (at: number) => {
      const report = stream.reports[at]!;
      return [
        report.numCallsStarted,
        report.numCallsFinished,
        report.numCallsFinishedWithClientFailedToSend,
        report.numCallsFinishedKnownReceived,
        Object.fromEntries(report.callsFinishedWithDrop.map((drop) => [drop.loadBalanceToken, drop.numCalls])),
      ];
    };
    assert.deepEqual(counts(0), [6n, 6n, 0n, 3n, { x: 2n, y: 1n }]);
    assert.ok(stream.reports[0]!.timestamp!.seconds > 1_700_000_000n);
    await settle(2_000);
    assert.deepEqual(counts(1), [0n, 0n, 0n, 0n, {}], "each counts from the last one");
    await settle(20_000);
    assert.equal(stream.reports.length, 2, "two that count nothing don't follow each other");
    await client.route({ data: "" }).catch(() => {});
    await settle(2_000);
    assert.equal(stream.reports.length, 3);
  });

  it("reports nothing to a balancer that asks for nothing, and at most once a second", async (t) => {
    const { begin, calls, settle, balancer } = open(t);
    const quiet = await begin();
    quiet.list(a);
    await settle();
    await calls(3);
    await settle(60_000);
    assert.equal(quiet.reports.length, 0);
    quiet.end();
    await settle(1_500);
    assert.equal(balancer.streams.length, 2);
    balancer.last.begin(1);
    await settle(100);
    await calls(2);
    await settle(1_000);
    assert.deepEqual(balancer.last.reports.map(({ numCallsStarted }) => numCallsStarted), [2n]);
  });

  it("uses the fallback when there is no list within ten seconds, and the list once there is one", async (t) => {
    const { begin, calls, settle, addresses } = open(t, { fallback: ["10.0.0.8:80", "10.0.0.9:80"] });
    const stream = await begin(1_000);
    await settle(9_700);
    assert.equal(addresses(), undefined);
    await settle(200);
    assert.deepEqual(addresses(), ["10.0.0.8:80", "10.0.0.9:80"]);
    assert.deepEqual(await calls(3), ["10.0.0.8:80 null", "10.0.0.9:80 null", "10.0.0.8:80 null"]);
    stream.list(a, drop("x"));
    await settle();
    assert.deepEqual(await calls(2), [A, dropped]);
    assert.deepEqual(addresses(), ["10.0.0.1:80"]);
    await settle(1_000);
    assert.equal(
      stream.reports.reduce((sum, report) => sum + report.numCallsStarted, 0n),
      2n,
      "only calls by the list",
    );
  });

  it("uses the fallback at once when the stream ends before there is a list", async (t) => {
    const { begin, settle, addresses } = open(t, { fallback: staticResolver(["10.0.0.8:80"]) });
    const stream = await begin();
    stream.end(new ConnectError("not here", Code.NotFound));
    await settle();
    assert.deepEqual(addresses(), ["10.0.0.8:80"]);
  });

  it("keeps the list when the stream is lost, and uses the fallback when none of its servers is left", async (t) => {
    const { begin, calls, settle, addresses, links, transport } = open(t, { fallback: ["10.0.0.8:80"] });
    const stream = await begin();
    stream.list(a, b);
    await settle();
    stream.end(new ConnectError("going down", Code.Unavailable));
    await settle(10);
    assert.match(transport.snapshot().stale!.cause.message, /going down/);
    assert.deepEqual(await calls(2), [A, B]);
    links.get("10.0.0.1:80")!.events.lost(new Error("cut"));
    links.get("10.0.0.2:80")!.events.lost(new Error("cut"));
    await settle();
    assert.deepEqual(addresses(), ["10.0.0.8:80"]);
    assert.deepEqual(await calls(1), ["10.0.0.8:80 null"]);
  });

  it("uses the fallback when the balancer asks for it, although servers can be reached, until its next list", async (t) => {
    const { begin, calls, settle, addresses, transport } = open(t, { fallback: ["10.0.0.8:80"] });
    const stream = await begin();
    stream.list(a);
    await settle();
    stream.fallback();
    await settle();
    assert.deepEqual([addresses(), transport.snapshot().stale], [["10.0.0.8:80"], undefined]);
    stream.list(b);
    await settle();
    assert.deepEqual([await calls(1), addresses()], [[B], ["10.0.0.2:80"]]);
  });

  it("keeps the list without a fallback, whatever happens", async (t) => {
    const { begin, calls, settle } = open(t);
    const stream = await begin();
    stream.list(a);
    await settle();
    stream.fallback();
    stream.end();
    await settle(60_000);
    assert.deepEqual(await calls(1), [A]);
  });

  it("opens the next stream at once if the last one was good for a while, and otherwise with a backoff", async (t) => {
    const { begin, balancer, settle, clock } = open(t);
    const stream = await begin();
    await settle(5_000);
    stream.end();
    await settle(0);
    assert.equal(balancer.streams.length, 2, "at once");
    // With random() = 0 the delays are 0.8 of 1 s, which the first stream took longer than, of 1.6, 2.56 and 4.1 s.
    const opened: number[] = [];
    for (let i = 0; i < 3; i++) {
      const from = clock.now(), count: number = balancer.streams.length;
      balancer.last.end();
      while (balancer.streams.length === count) await settle(100);
      opened.push(clock.now() - from);
    }
    assert.deepEqual(opened.map((ms) => ms / 100), [13, 21, 33]);
    balancer.last.begin();
    await settle(10);
    balancer.last.end();
    await settle(790);
    assert.equal(balancer.streams.length, 6, "the first response resets it");
  });

  it("does not take a list before the first response", async (t) => {
    const { balancer, settle, transport } = open(t);
    transport.connect().catch(() => {});
    await settle();
    balancer.last.list(a);
    await settle();
    assert.match(transport.snapshot().stale!.cause.message, /first message is not an initial response/);
    assert.equal(balancer.streams[0]!.closed, true);
  });

  it("ends the stream, timers and connection with its last consumer", async (t) => {
    const { begin, settle, transport, links, clock, balancer } = open(t, { fallback: ["10.0.0.8:80"] });
    const stream = await begin(1_000);
    stream.list(a);
    stream.fallback();
    await settle();
    await transport.close();
    await settled();
    assert.deepEqual([stream.closed, links.get(BALANCER)!.closed, clock.pending], [true, true, []]);
    assert.equal(balancer.streams.length, 1);
  });

  it("lists once for transports that don't watch: the first list, or the fallback", async (t) => {
    const { balancer, settle, resolver, links } = open(t, { fallback: ["10.0.0.8:80"] });
    const listed = resolver.list!(new AbortController().signal);
    await settle();
    balancer.last.begin();
    balancer.last.list(a, drop("x"));
    await settle();
    assert.deepEqual((await listed).endpoints!.map(({ address }) => address), ["10.0.0.1:80"]);
    assert.equal(typeof (await listed).config, "object");
    assert.deepEqual([balancer.last.closed, links.get(BALANCER)!.closed], [true, true]);
    const late = resolver.list!(new AbortController().signal);
    await settle(10_000);
    assert.deepEqual((await late).endpoints!.map(({ address }) => address), ["10.0.0.8:80"]);
    const none = open(t);
    const failed = assert.rejects(none.resolver.list!(new AbortController().signal), /sent no list within 10000 ms/);
    await none.settle(10_000);
    await failed;
  });

  it("shows no tokens", async (t) => {
    const { begin, settle, transport, calls } = open(t);
    const stream = await begin();
    stream.list(a, drop("token-x"));
    await settle();
    const failures = await calls(3);
    assert.doesNotMatch(JSON.stringify(transport.snapshot()) + failures.filter((text) => text !== A), /token-/);
  });

  it("says what is wrong with its options", () => {
    const { connector } = fakeConnector();
    const wrong = (options: object, message: RegExp) => {
      const all = { name: "a", balancers: ["10.0.0.1:1"], connector, ...options };
      assert.throws(() => grpclbResolver(all as GrpclbResolverOptions), { message });
    };
    wrong({ name: undefined }, /option name is undefined/);
    wrong({ fallback: "x" }, /option fallback is "x"/);
    wrong({ fallback: ["x"] }, /address "x" has no port/);
    wrong({ fallbackTimeoutMs: -1 }, /option fallbackTimeoutMs is -1/);
    wrong({ target: "a" }, /has no option "target"/);
  });
});
