import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { adaptiveThrottle } from "../../../src/call/adaptive-throttle.ts";
import { fixedHedging } from "../../../src/call/fixed-hedging.ts";
import { markAttempt } from "../../../src/connection/mark.ts";
import { note } from "../../../src/connection/note.ts";
import { explainCall } from "../../../src/observe/recorder/explain.ts";
import { flightRecorder } from "../../../src/observe/recorder/flight-recorder.ts";
import { filter } from "../../../src/policy/filter.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import type { Resolution, Resolver } from "../../../src/resolver/resolver.ts";
import { staticResolver } from "../../../src/resolver/static.ts";
import type { BalancedTransportOptions } from "../../../src/transport/options.ts";
import { balanced, failureOf } from "../../support/balanced.ts";
import type { FakeLinkOptions } from "../../support/fake-links.ts";
import { heldLinks } from "../../support/held-links.ts";
import { settled } from "../../support/manual-clock.ts";
import { manualResolver } from "../../support/manual-resolver.ts";

type Options = Partial<BalancedTransportOptions> & { links?: FakeLinkOptions };

function setUp(options: Options = {}) {
  const { sent, transport } = heldLinks();
  return { ...balanced({ ...options, links: { transport, ...options.links } }), sent };
}

const answer = (code: Code, text = "no") => markAttempt(new ConnectError(text, code), "answered");
const away = (end?: "refused" | "not-sent") => {
  const error = new ConnectError("away", Code.Unavailable);
  return end === undefined ? error : markAttempt(error, end);
};

interface Situation {
  readonly what: string;
  readonly options?: Options;
  run(it: ReturnType<typeof setUp>): Promise<unknown>;
  /** What the explanation says, with a recorder and without, and what it doesn't. */
  readonly says: readonly RegExp[];
  readonly never?: RegExp;
}

/** A call that fails with this. */
const failsWith = (error: unknown) => async ({ client, ready, sent }: ReturnType<typeof setUp>) => {
  await ready();
  const failure = failureOf(client.route({}));
  await settled();
  sent[0]!.fail(error);
  return await failure;
};

/** A call that waits for so long. */
const waits = (ms: number, timeoutMs?: number) => async ({ client, clock }: ReturnType<typeof setUp>) => {
  const failure = failureOf(client.route({}, timeoutMs === undefined ? {} : { timeoutMs }));
  await clock.advance(ms);
  return await failure;
};

const picks = (pick: () => never): Policy => (connections) => {
  for (const connection of connections) connection.connect();
  return { pick };
};

/** A resolver that yields this and nothing more. */
const once = (resolution: Resolution): Resolver => ({
  target: "stale_service",
  async *resolve(signal) {
    yield resolution;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  },
});

const refusal = (text: string) => ({ sinceMs: 0, cause: new Error(text) });

const situations: readonly Situation[] = [
  {
    what: "the server's own error",
    run: failsWith(answer(Code.NotFound, "no such user")),
    says: [
      /^proto\.Simple\/Route failed with NOT_FOUND/,
      /\n {2}no such user\n/,
      /1\. a:1 .*was answered.*NOT_FOUND, no such user/,
      /The server at a:1 answered with this error itself: look at its logs\./,
    ],
  },
  {
    what: "a method that the server doesn't have",
    run: failsWith(answer(Code.Unimplemented)),
    says: [/is it the right service, and the right version\?/],
  },
  {
    what: "credentials that the server refuses",
    run: failsWith(answer(Code.Unauthenticated)),
    says: [/check the credentials/],
  },
  {
    what: "a lost connection, for a method that may not be repeated",
    run: ({ ready, sent, transport }) =>
      (async () => {
        await ready();
        const method = { ...Simple.method.route, idempotency: 0 } as typeof Simple.method.route;
        const failure = failureOf(transport.unary(method, undefined, undefined, undefined, {}));
        await settled();
        sent[0]!.fail(away());
        return await failure;
      })(),
    says: [/UNAVAILABLE/, /a:1 .*failed, and may have been processed/, /retry\.methods/, /did its server crash/],
  },
  {
    what: "a request for which servers end their connection",
    run: failsWith(note(away(), "final")),
    says: [/INTERNAL/, /The request itself makes servers end the connection/],
  },
  {
    what: "servers that all decline",
    options: { resolver: staticResolver(["a:1"]), retry: false },
    async run({ client, clock, ready, sent }) {
      await ready();
      const failure = failureOf(client.route({}));
      for (let i = 0; i < 16; i++) {
        await clock.advance(2_000);
        sent[i]!.fail(away("refused"));
      }
      return await failure;
    },
    says: [/1\. a:1 .*was refused/, /it can safely be repeated/],
  },
  {
    what: "a slow server",
    async run({ client, clock, ready, sent }) {
      await ready();
      const failure = failureOf(client.route({}, { timeoutMs: 100 }));
      await clock.advance(100);
      sent[0]!.fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      return await failure;
    },
    says: [/DEADLINE_EXCEEDED/, /1\. a:1 /, /Its server did not answer in time/],
  },
  {
    what: "a deadline that passed before there was a connection",
    options: { links: { auto: false } },
    run: waits(200, 100),
    says: [/DEADLINE_EXCEEDED/, /No attempt was made/, /before it got a connection/],
  },
  {
    what: "a call without time",
    run: ({ transport }) => failureOf(transport.unary(Simple.method.route, undefined, 0, undefined, {})),
    says: [/It was given no time/],
  },
  {
    what: "a registry that doesn't answer",
    options: { resolver: manualResolver(), waitTimeoutMs: 100 },
    run: waits(200),
    says: [/The endpoints were never resolved/, /npx connect-lb doctor/],
  },
  {
    what: "a service without servers",
    options: { resolver: staticResolver([]) },
    run: waits(100),
    says: [/the list given to staticResolver\(\) is empty/, /pass addresses to staticResolver\(\)/],
    never: /registered/,
  },
  {
    what: "a service that nobody registered for",
    options: { resolver: once({ endpoints: [] }) },
    run: waits(100),
    says: [/Check that a server is registered, under this very name: npx connect-lb ls/],
  },
  {
    what: "a program that etcd refuses",
    options: {
      resolver: { ...once({ endpoints: undefined, stale: refusal("etcdserver: permission denied") }), scheme: "etcd" },
      waitTimeoutMs: 100,
    },
    run: waits(200),
    says: [
      /The registry refused this program, so the endpoints were never resolved\. Check its user, password and roles/,
    ],
    never: /can be reached|can't be reached/,
  },
  {
    what: "a program that etcd refuses later",
    options: {
      resolver: once({
        endpoints: [{ address: "a:1" }],
        stale: refusal("etcdserver: authentication failed, invalid user ID or password"),
      }),
      links: { auto: false },
    },
    run: waits(20_000),
    says: [/The registry refused this program, so the endpoints of stale_service may be out of date\./],
    never: /registry can't be reached/,
  },
  {
    what: "a name that DNS doesn't have",
    options: {
      resolver: {
        ...once({ endpoints: undefined, stale: refusal("getaddrinfo ENOTFOUND api.example") }),
        scheme: "dns",
      },
      waitTimeoutMs: 100,
    },
    run: waits(200),
    says: [/stale_service can't be resolved\. Check its spelling, and DNS\./],
    never: /registry|doctor/,
  },
  {
    what: "a host name of an endpoint that can't be resolved",
    options: { resolver: staticResolver(["nowhere.example:1"]), links: { auto: false } },
    async run({ client, clock, links }) {
      const failure = failureOf(client.route({}));
      await clock.advance(40);
      links.get("nowhere.example:1")!.refuse(new Error("getaddrinfo ENOTFOUND nowhere.example"));
      await clock.advance(40);
      return await failure;
    },
    says: [/every endpoint is failing/, /The host name of an endpoint can't be resolved from here/],
    never: /Check that they run/,
  },
  {
    what: "a filter that accepts no endpoint",
    options: { policy: filter(() => false) },
    async run({ client, ready }) {
      await ready();
      return await failureOf(client.route({}));
    },
    says: [/The function given to filter\(\) accepts none of the endpoints for this call/],
    never: /Nothing more is known/,
  },
  {
    what: "a deadline that the service config sets",
    options: {
      resolver: once({ endpoints: [{ address: "a:1" }], config: { methods: { "*": { timeoutMs: 100 } } } }),
    },
    async run({ client, clock, ready, sent }) {
      await ready();
      const failure = failureOf(client.route({}, { timeoutMs: 900 }));
      await clock.advance(100);
      sent[0]!.fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      return await failure;
    },
    says: [
      /Its server did not answer in time/,
      /Its timeout of 100 ms is not its own: it comes from the service config\./,
    ],
  },
  {
    what: "a deadline of the transport's options",
    options: { defaultTimeoutMs: 100, links: { auto: false } },
    run: waits(200),
    says: [/before it got a connection/, /Its timeout of 100 ms is not its own: it comes from defaultTimeoutMs\./],
  },
  {
    what: "a deadline of its own that the config allows",
    options: {
      defaultServiceConfig: { methods: { "*": { timeoutMs: 500 } } },
      links: { auto: false },
    },
    run: waits(200, 100),
    says: [/before it got a connection/],
    never: /is not its own/,
  },
  {
    what: "a deadline of the default service config",
    options: {
      defaultServiceConfig: { methods: { "*": { timeoutMs: 100 } } },
      links: { auto: false },
    },
    run: waits(200, 101),
    says: [/it comes from defaultServiceConfig\./],
  },
  {
    what: "servers that can't be reached",
    options: { resolver: staticResolver(["a:1"]), links: { auto: false } },
    async run({ client, clock, links }) {
      const failure = failureOf(client.route({}));
      await clock.advance(40);
      links.get("a:1")!.refuse();
      await clock.advance(40);
      return await failure;
    },
    says: [/every endpoint is failing/, /No server can be reached/, /What is known now:\n {2}a:1 has 1 endpoint/],
  },
  {
    what: "connections that take too long",
    options: { links: { auto: false }, waitTimeoutMs: 100 },
    run: waits(200),
    says: [/No connection was ready in time/, /waitTimeoutMs/],
  },
  {
    what: "full servers",
    options: { resolver: staticResolver(["a:1"]) },
    async run({ client, clock, links, ready }) {
      await ready();
      links.get("a:1")!.room = 0;
      const failure = failureOf(client.route({}, { timeoutMs: 50 }));
      await clock.advance(60);
      return await failure;
    },
    says: [/The servers are full/, /MAX_CONCURRENT_STREAMS/],
  },
  {
    what: "a limit of the transport",
    options: { maxInFlight: 1 },
    async run({ client, ready }) {
      await ready();
      void client.route({}).catch(() => {});
      await settled();
      return await failureOf(client.route({}));
    },
    says: [/as many as maxInFlight allows/, /Add servers, send less, or raise them/],
  },
  {
    what: "too many waiting calls",
    options: { links: { auto: false }, maxWaiting: 1 },
    async run({ client }) {
      void client.route({}).catch(() => {});
      await settled();
      return await failureOf(client.route({}));
    },
    says: [/Too many calls wait already/],
  },
  {
    what: "the throttle",
    options: { throttle: () => ({ refuses: () => "the servers accepted too few", ended() {} }) },
    run: ({ client }) => failureOf(client.route({})),
    says: [/The transport's throttle refused it/],
  },
  {
    what: "a broken policy",
    options: {
      policy: picks(() => {
        throw new Error("mine");
      }),
    },
    async run({ client, ready }) {
      await ready();
      return await failureOf(client.route({}));
    },
    says: [/the policy's picker threw: mine/, /The policy is broken/],
  },
  {
    what: "a call that its caller aborted",
    async run({ client, ready }) {
      await ready();
      const abort = new AbortController();
      const failure = failureOf(client.route({}, { signal: abort.signal }));
      await settled();
      abort.abort();
      return await failure;
    },
    says: [/CANCELLED/, /Its caller aborted it/, /nothing is wrong with the servers/],
  },
  {
    what: "a closed transport",
    async run({ client, transport }) {
      await transport.close();
      return await failureOf(client.route({}));
    },
    says: [/FAILED_PRECONDITION/, /The call was made after close\(\)/],
  },
  {
    what: "a stale set",
    options: {
      resolver: once({ endpoints: [{ address: "a:1" }], stale: { sinceMs: 0, cause: new Error("etcd is away") } }),
      links: { auto: false },
    },
    async run({ client, clock, links }) {
      const failure = failureOf(client.route({}));
      await clock.advance(40);
      links.get("a:1")!.refuse();
      await clock.advance(40);
      return await failure;
    },
    says: [
      /stale for .* s: etcd is away/,
      /The registry can't be reached, so the endpoints of stale_service may be out/,
    ],
  },
];

describe("the explanation of a failed call", () => {
  for (const { what, options, run, says, never } of situations) {
    it(`of ${what} says what happened and what to do, with a recorder and without`, async () => {
      for (const recorder of [undefined, flightRecorder()]) {
        const it = setUp({ ...options, ...recorder && { recorder } });
        const text = explainCall(await run(it));
        for (const expected of says) assert.match(text, expected);
        if (never !== undefined) assert.doesNotMatch(text, never);
        assert.match(text, /\nWhat to do:\n {2}\S/);
        assert.doesNotMatch(text, /undefined|NaN|\[object/);
        await it.transport.close();
      }
    });
  }

  it("says with a recorder where the time went", async () => {
    const { client, clock, links, sent, transport } = setUp({
      recorder: flightRecorder(),
      resolver: staticResolver(["a:1"]),
      links: { auto: false },
    });
    const waiting = failureOf(client.route({}, { timeoutMs: 500 }));
    await clock.advance(40);
    links.get("a:1")!.ready();
    await clock.advance(60);
    sent[0]!.fail(answer(Code.Internal));
    const text = explainCall(await waiting);
    assert.match(text, /failed with INTERNAL after \d+ ms:/);
    assert.match(text, /What it waited for:\n {2}40 ms for a connection that is ready/);
    assert.match(text, /1\. a:1 began after 40 ms, was answered after 60 ms: INTERNAL, no/);
    await transport.close();
  });

  it("is this text, with a recorder: of a call that waited", async () => {
    const { client, clock, links, sent, transport } = setUp({
      recorder: flightRecorder(),
      resolver: staticResolver(["a:1"]),
      links: { auto: false },
    });
    const failure = failureOf(client.route({}));
    await clock.advance(9.26);
    links.get("a:1")!.ready();
    await clock.advance(0.5);
    await clock.advance(30);
    sent[0]!.fail(answer(Code.NotFound, "no such user"));
    assert.equal(
      explainCall(await failure),
      `proto.Simple/Route failed with NOT_FOUND after 40 ms:
  no such user
What it waited for:
  9.3 ms for a connection that is ready
What it tried:
  1. a:1 began after 9.3 ms, was answered after 31 ms: NOT_FOUND, no such user
What is known now:
  a:1 has 1 endpoint (1 ready)
What to do:
  The server at a:1 answered with this error itself: look at its logs.`,
    );
    await transport.close();
  });

  it("is this text, with a recorder: of a hedged call, and of a stream", async () => {
    const { sent, transport: deaf } = heldLinks({ deaf: true });
    const { client, clock, ready, transport } = setUp({
      recorder: flightRecorder(),
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 2, delayMs: 10 }) } } },
      links: { transport: deaf },
    });
    await ready();
    const failure = failureOf(client.route({}));
    await clock.advance(15);
    sent[1]!.fail(answer(Code.PermissionDenied));
    assert.match(
      explainCall(await failure),
      /What it tried:\n {2}1\. a:1 began after 0 ms, was still in flight when the call ended\n {2}2\. b:1 began after 10 ms as a hedge, was answered after 5 ms: PERMISSION_DENIED, no\nWhat is known/,
    );
    const reader = client.routeClientStream((async function* () {})());
    const late = failureOf(reader);
    await settled();
    sent[2]!.fail(answer(Code.DataLoss));
    assert.match(explainCall(await late), /1\. \w:1 began after 0 ms, was answered after 0 ms: DATA_LOSS, no\n/);
    await transport.close();
  });

  it("says of a stream when its answer began", async () => {
    const { client, clock, ready, transport } = setUp({
      recorder: flightRecorder(),
      links: {
        transport: () =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              async *routeServerStream() {
                yield {};
                throw new ConnectError("broken", Code.DataLoss);
              },
            })
          ),
      },
    });
    await ready();
    const reader = client.routeServerStream({})[Symbol.asyncIterator]();
    await reader.next();
    await clock.advance(20);
    const text = explainCall(await failureOf(reader.next()));
    assert.match(text, /1\. a:1 began after 0 ms, its answer began after 0 ms, .* after 20 ms: DATA_LOSS, broken\n/);
    await transport.close();
  });

  it("is this text without a recorder", async () => {
    const { client, clock, links, transport } = setUp({ resolver: staticResolver(["a:1"]), links: { auto: false } });
    const failure = failureOf(client.route({}));
    await clock.advance(40);
    links.get("a:1")!.refuse();
    await clock.advance(40);
    assert.equal(
      explainCall(await failure),
      `proto.Simple/Route failed with UNAVAILABLE:
  every endpoint is failing: a:1 has 1 endpoint (1 transient_failure); a:1: connection refused
What it tried:
  No attempt was made.
What is known now:
  a:1 has 1 endpoint (1 transient_failure); a:1: connection refused
What to do:
  No server can be reached. Check that they run at these addresses, and that TLS is used at both ends or at neither.`,
    );
    await transport.close();
  });

  it("does without the record of a call that the recorder has forgotten", async () => {
    const { client, clock, ready, sent, transport } = setUp({
      recorder: flightRecorder({ calls: 1 }),
      ejectOutliers: false,
    });
    await ready();
    const fail = async (ms: number) => {
      const failure = failureOf(client.route({}));
      await settled();
      clock.skip(ms);
      sent.pop()!.fail(answer(Code.NotFound));
      return await failure;
    };
    const first = await fail(0);
    assert.match(explainCall(first), /NOT_FOUND after 0 ms/);
    // Others have its place among the last, the failed and the slowest, and its recording.
    for (let i = 0; i < 105; i++) await fail(1);
    assert.match(
      explainCall(first),
      /^proto\.Simple\/Route failed with NOT_FOUND:\n {2}no\nWhat it tried:\n {2}1\. a:1 was answered/,
    );
    await transport.close();
  });

  it("lists all attempts, and says where some are left out", async () => {
    for (const recorder of [undefined, flightRecorder()]) {
      const { client, ready, sent, transport } = setUp({
        resolver: staticResolver(["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]),
        ...recorder && { recorder },
      });
      await ready();
      const failure = failureOf(client.route({}));
      for (let i = 0; i < 6; i++) {
        await settled();
        sent[i]!.fail(i < 5 ? away("refused") : answer(Code.Internal));
      }
      const text = explainCall(await failure);
      assert.match(text, /1\. a:1 /);
      assert.match(text, /6\. f:1 /);
      assert[recorder === undefined ? "match" : "doesNotMatch"](text, /5\. e:1 /);
      assert[recorder === undefined ? "doesNotMatch" : "match"](text, /\n {2}… and 2 more\n {2}6\. f:1 /);
      await transport.close();
    }
  });

  it("explains an error that has the call's as its cause", async () => {
    const { client, transport } = setUp({ throttle: adaptiveThrottle() });
    await transport.close();
    const wrapped = new Error("my own", { cause: new Error("and", { cause: await failureOf(client.route({})) }) });
    assert.match(explainCall(wrapped), /^proto\.Simple\/Route failed with FAILED_PRECONDITION/);
  });

  it("says of any other error that it is another one", () => {
    const others = [new Error("mine"), new ConnectError("other", Code.Unavailable), "text", 5, null, undefined, {}, []];
    for (const other of others) assert.match(explainCall(other), /^This is not the failure of a call over a balanced/);
    assert.match(explainCall(others[1]), /but a ConnectError, UNAVAILABLE:\n {2}other\n/);
    assert.match(explainCall(others[2]), /but no error:\n {2}text\n/);
  });

  it("is text, whatever it is given", () => {
    const fails = () => {
      throw new Error("mine");
    };
    const hostile = [
      new Proxy({}, { get: fails, getPrototypeOf: fails }),
      Object.create(null),
      {
        get cause() {
          return fails();
        },
      },
      { toString: fails },
      Object.assign(new Error(), { message: { toString: fails } }),
      Symbol("mine"),
    ];
    const loop: { cause?: unknown } = {};
    loop.cause = loop;
    for (const error of [...hostile, loop]) assert.equal(typeof explainCall(error), "string");
  });

  it("shows texts of others cut and escaped, and no metadata", async () => {
    const error = answer(Code.Internal, `\u001b[2J\u202e${"x".repeat(1_000)}`);
    error.metadata.set("token", "hunter2");
    for (const recorder of [undefined, flightRecorder()]) {
      const it = setUp(recorder && { recorder });
      const text = explainCall(await failsWith(error)(it));
      assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Bidi_Control}]/u);
      assert.doesNotMatch(text, /hunter2/);
      assert.ok(Math.max(...text.split("\n").map((line) => line.length)) < 400);
      await it.transport.close();
    }
  });
});
