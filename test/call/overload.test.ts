// Calls that fail at once because there are too many others: in flight, or waiting.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import { balance } from "../../src/call/options.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { heldLinks } from "../support/held-links.ts";
import { settled } from "../support/manual-clock.ts";
import { pulled } from "../support/pulled.ts";

function held(options: Partial<BalancedTransportOptions>) {
  const { sent, transport } = heldLinks();
  return { ...balanced({ links: { transport }, ...options }), sent };
}

function assertUnavailable(error: unknown, text: RegExp): void {
  assert.ok(error instanceof ConnectError, String(error));
  assert.equal(error.code, Code.Unavailable);
  assert.match(error.message, text);
}

describe("maxInFlightPerEndpoint", () => {
  it("sends calls to endpoints that have fewer in flight, which the policy sees as available", async () => {
    const { client, ready, sent, transport } = held({ maxInFlightPerEndpoint: 1 });
    await ready();
    const calls = [client.route({ data: "x" }), client.route({ data: "y" })];
    assert.deepEqual(transport.snapshot().endpoints!.map(({ available }) => available), [false, false, true]);
    sent[0]!.answer();
    await calls[0];
    const more = [client.route({}), client.route({})];
    assert.deepEqual(sent.map(({ address }) => address), ["a:1", "b:1", "c:1", "a:1"]);
    for (const { answer } of sent) answer();
    await Promise.all([...calls, ...more]);
    await transport.close();
  });

  it("fails calls at once when all endpoints have as many, even those that wait for readiness", async () => {
    const { client, clock, ready, sent, transport } = held({ maxInFlightPerEndpoint: 2 });
    await ready();
    const calls = Array.from({ length: 6 }, () => client.route({}));
    for (const options of [{}, balance({ waitForReady: true })]) {
      const text = /Route: every endpoint that could take the call has 2 calls in flight, as many as maxInFlightPerE/;
      assertUnavailable(await failureOf(client.route({}, options)), text);
    }
    assert.deepEqual([sent.length, transport.snapshot().waiting], [6, 0]);
    await clock.advance(1_000);
    assert.equal(sent.length, 6);
    sent[3]!.answer();
    await calls[3];
    const last = client.route({});
    assert.equal(sent[6]!.address, "a:1");
    for (const { answer } of sent) answer();
    await Promise.all([...calls, last]);
    await transport.close();
  });

  it("counts streams until they have ended, and attempts that ended without an answer no longer", async () => {
    const { client, ready, sent, transport } = held({ maxInFlightPerEndpoint: 1, resolver: staticResolver(["a:1"]) });
    await ready();
    const reader = client.routeServerStream({})[Symbol.asyncIterator]();
    const first = reader.next();
    await settled();
    sent[0]!.answer();
    await first;
    assertUnavailable(await failureOf(client.route({})), /1 call in flight/);
    while (!(await reader.next()).done);
    const abort = new AbortController();
    const aborted = failureOf(client.route({}, { signal: abort.signal }));
    await settled();
    assertUnavailable(await failureOf(client.route({})), /1 call in flight/);
    abort.abort();
    await aborted;
    const call = client.route({ data: "x" });
    await settled();
    sent[2]!.answer();
    assert.equal((await call).value, "a:1: hello x");
    await transport.close();
  });

  it("ends a call whose attempt failed when no other endpoint has room, and names the attempt", async () => {
    const { client, ready, sent, transport } = held({
      maxInFlightPerEndpoint: 1,
      resolver: staticResolver(["a:1", "b:1"]),
    });
    await ready();
    const one = failureOf(client.route({}));
    const two = client.route({ data: "x" });
    sent[0]!.fail(markAttempt(new ConnectError("no", Code.Unavailable), "refused"));
    const error = await one;
    assertUnavailable(error, /1 call in flight/);
    assert.match(String((error as ConnectError).cause), /a:1 refused/);
    sent[1]!.answer();
    await two;
    await transport.close();
  });

  it("holds for policies that ignore what is available", async () => {
    const { client, ready, sent, transport } = held({
      maxInFlightPerEndpoint: 1,
      policy([connection]) {
        connection?.connect();
        return { pick: () => connection?.state === "ready" ? connection : "wait" };
      },
    });
    await ready();
    const call = client.route({});
    assertUnavailable(await failureOf(client.route({})), /1 call in flight/);
    sent[0]!.answer();
    await call;
    await transport.close();
  });

  it("lets calls wait for connections that are opening, or for servers that are full", async () => {
    const { client, clock, links, ready, sent, transport } = held({ maxInFlightPerEndpoint: 5 });
    const early = client.route({});
    await ready();
    sent[0]!.answer();
    await early;
    for (const link of links.values()) link.room = 0;
    const waiting = client.route({});
    await clock.advance(1_000);
    assert.deepEqual([sent.length, transport.snapshot().waiting], [1, 1]);
    links.get("b:1")!.room = 1;
    links.get("b:1")!.events.room!();
    await settled();
    sent[1]!.answer();
    await waiting;
    await transport.close();
  });
});

describe("maxInFlight", () => {
  it("limits the calls in flight on all endpoints together, whichever they are on", async () => {
    const { client, ready, sent, transport } = held({ maxInFlight: 4 });
    await ready();
    const calls = Array.from({ length: 4 }, () => client.route({}));
    assert.ok(transport.snapshot().endpoints!.every(({ available }) => !available));
    assertUnavailable(await failureOf(client.route({})), /Route: 4 calls are in flight, as many as maxInFlight allows/);
    sent[2]!.answer();
    await calls[2];
    const last = client.route({});
    for (const { answer } of sent) answer();
    await Promise.all([...calls, last]);
    assert.equal(sent.length, 5);
    await transport.close();
  });

  it("counts hedges, and leaves them out when they would be too many", async () => {
    const { client, ready, sent, transport } = held({
      maxInFlight: 2,
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 3 }) } } },
    });
    await ready();
    const call = client.route({ data: "x" });
    await settled();
    assert.equal(sent.length, 2);
    sent[1]!.answer();
    assert.equal((await call).value, "b:1: hello x");
    await transport.close();
  });

  it("holds for pull transports", async () => {
    const { sent, transport } = heldLinks();
    const { client } = pulled({ maxInFlight: 1, addresses: ["a:1", "b:1"], links: { transport } });
    const call = client.route({});
    await settled();
    assertUnavailable(await failureOf(client.route({})), /as many as maxInFlight allows/);
    sent[0]!.answer();
    await call;
  });
});

describe("maxWaiting", () => {
  it("limits how many calls wait for a connection; the newest fail at once", async () => {
    const { client, links, ready, sent, transport } = held({ maxWaiting: 2 });
    await ready();
    for (const link of links.values()) link.room = 0;
    const waiting = [client.route({}), client.route({})];
    const text = /Route: 2 calls wait for a connection, as many as maxWaiting allows: .*has 3 endpoints/;
    assertUnavailable(await failureOf(client.route({}, balance({ waitForReady: true }))), text);
    assert.equal(transport.snapshot().waiting, 2);
    links.get("a:1")!.room = 3;
    links.get("a:1")!.events.room!();
    await settled();
    for (const { answer } of sent) answer();
    await Promise.all(waiting);
    const last = client.route({});
    await settled();
    sent[2]!.answer();
    await last;
    await transport.close();
  });

  it("does not fail calls that come back from an attempt", async () => {
    const { client, clock, links, ready, sent, transport } = held({ maxWaiting: 1, resolver: staticResolver(["a:1"]) });
    await ready();
    const first = client.route({ data: "x" });
    links.get("a:1")!.room = 0;
    const waiting = client.route({ data: "y" });
    sent[0]!.fail(markAttempt(new ConnectError("no", Code.Unavailable), "refused"));
    await clock.advance(100);
    assert.equal(transport.snapshot().waiting, 2);
    links.get("a:1")!.room = 2;
    links.get("a:1")!.events.room!();
    await clock.advance(1_000);
    for (const { answer } of sent) answer();
    assert.deepEqual([(await first).value, (await waiting).value], ["a:1: hello x", "a:1: hello y"]);
    await transport.close();
  });

  it("is checked like the other limits", () => {
    for (const name of ["maxInFlight", "maxInFlightPerEndpoint", "maxWaiting"]) {
      for (const value of [0, 1.5, -1]) assert.throws(() => held({ [name]: value }), RangeError, `${name}: ${value}`);
      assert.throws(() => held({ [name]: "1" }), TypeError);
      void held({ [name]: Infinity });
    }
  });
});
