import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type StreamResponse, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { CallEnvironment } from "../../src/call/environment.ts";
import { Settings } from "../../src/call/settings.ts";
import { StreamCall } from "../../src/call/stream-call.ts";
import { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import { type AttemptEnd, markAttempt } from "../../src/connection/mark.ts";
import { newCounter } from "../../src/snapshot.ts";
import { balanced } from "../support/balanced.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";

const method = Simple.method.routeBidiStream;
type Input = typeof method.input;
type Output = typeof method.output;

/** A streaming call with a timeout of 100 ms, whose only connection answers with these messages. */
function setUp(
  messages: AsyncIterable<unknown>,
  input: AsyncIterable<object> = (async function* () {})(),
  clock: ManualClock = new ManualClock(),
) {
  let requests: AsyncIterator<unknown> | undefined;
  const transport: Partial<Transport> = {
    async stream(_method, _signal, _timeoutMs, _header, input) {
      requests = input[Symbol.asyncIterator]();
      await requests.next();
      return { stream: true, header: new Headers(), trailer: new Headers(), message: messages } as never;
    },
  };
  const fake = { endpoint: { address: "a:1" }, grpc: true, promised: 0, full: false, limited: false, transport };
  const connection = Object.create(
    EndpointConnection.prototype,
    Object.getOwnPropertyDescriptors({ ...fake, begin() {}, answered() {}, end() {} }),
  );
  const balancer = {
    serving: false,
    closed: false,
    config: undefined,
    picker: { pick: () => connection },
    describe: () => "users has 1 endpoint",
    describeHealth: () => undefined,
    hasRoom() {},
  };
  const random = () => 0;
  const settings = new Settings({ clock, random });
  const env = {
    clock,
    random,
    balancer,
    settings,
    waitTimeoutMs: 10_000,
    calls: newCounter(),
  } as unknown as CallEnvironment;
  const call = new StreamCall(env, method, undefined, 100, undefined, input, undefined);
  return { call, requests: () => requests! };
}

async function drain(response: StreamResponse<Input, Output>): Promise<unknown> {
  try {
    for await (const _ of response.message);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("a streaming call", () => {
  it("passes its requests straight on once it is answered, as nothing is kept for another attempt", async () => {
    let asked = 0;
    const input: AsyncIterable<object> = {
      [Symbol.asyncIterator]: () => ({ next: () => (asked++, Promise.resolve({ value: {} })) }),
    };
    const { call, requests } = setUp((async function* () {})(), input);
    await call.start();
    assert.equal(asked, 1);
    for (let i = 0; i < 3; i++) void requests().next();
    assert.equal(asked, 4);
  });

  it("was not given up when its response ended, or failed for another reason than its deadline", async () => {
    const failures: readonly [AttemptEnd | undefined, Code | undefined][] = [
      [undefined, undefined],
      ["answered", Code.Unavailable],
      ["answered", Code.DeadlineExceeded],
      ["maybe-processed", Code.Unavailable],
    ];
    for (const [end, code] of failures) {
      const { call } = setUp((async function* () {
        yield {};
        if (code === undefined) return;
        throw markAttempt(new ConnectError("no", code), end!);
      })());
      const givenUp: unknown[] = [];
      const seen = await drain(await call.start((error) => givenUp.push(error)));
      assert.deepEqual([(seen as ConnectError | undefined)?.code, givenUp], [code, []]);
    }
  });

  it("was given up when its reader left, or its deadline passed", async () => {
    const abandoned = setUp((async function* () {
      yield {};
    })());
    const codes: Code[] = [];
    const note = (error: unknown) => void codes.push((error as ConnectError).code);
    const iterator = (await abandoned.call.start(note)).message[Symbol.asyncIterator]();
    await iterator.return!();
    assert.deepEqual(codes, [Code.Canceled]);
    const clock = new ManualClock();
    const messages = (async function* () {
      yield {};
      await clock.advance(100);
      throw markAttempt(new ConnectError("reset", Code.Canceled), "maybe-processed");
    })();
    const late = setUp(messages, undefined, clock);
    const seen = await drain(await late.call.start(note));
    assert.equal((seen as ConnectError).code, Code.DeadlineExceeded);
    assert.deepEqual(codes, [Code.Canceled, Code.DeadlineExceeded]);
  });

  it("gives an attempt that has failed no more of its requests, so that the next one gets them all", async () => {
    const views: AsyncIterator<unknown>[] = [];
    let taken = 0;
    const link = ({ address }: { readonly address: string }): Transport => {
      const inner = createRouterTransport(simpleRoutes({ name: address }));
      return {
        ...inner,
        stream: (method, signal, timeoutMs, header, input, contextValues) => {
          views.push(input[Symbol.asyncIterator]());
          if (views.length > 1) return inner.stream(method, signal, timeoutMs, header, input, contextValues);
          const later = { "grpc-retry-pushback-ms": "1000" };
          return Promise.reject(markAttempt(new ConnectError("later", Code.Unavailable, later), "answered"));
        },
      };
    };
    const { client, clock, ready, transport } = balanced({
      links: { transport: link },
      retry: { methods: ["proto.Simple"] },
    });
    await ready();
    const call = client.routeClientStream((async function* () {
      for (; taken < 3; taken++) yield { data: `${taken}` };
    })());
    await clock.advance(500);
    assert.equal(views.length, 1, "the call pauses");
    assert.deepEqual([await views[0]!.next(), taken], [{ done: true, value: undefined }, 0]);
    await clock.advance(500);
    assert.equal((await call).value, "b:1: 0,1,2");
    await transport.close();
  });
});
