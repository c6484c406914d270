// How calls end before they are complete, and how their handlers learn of it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { eventually } from "../../support/eventually.ts";
import { ManualClock, settled } from "../../support/manual-clock.ts";
import { failure, values } from "../link.ts";
import { pair } from "./pair.ts";

/** Requests that go on until they are no longer read. */
async function* endless(log?: string[]) {
  try {
    for (let i = 0;; i++) {
      yield { data: String(i) };
      await settled();
    }
  } finally {
    log?.push("requests ended");
  }
}

describe("a gRPC server's call", () => {
  it("aborts its handler's signal when the client cancels", async (t) => {
    let context: HandlerContext | undefined, finish = () => {};
    const { client, server } = pair(t, {
      async route(_, given) {
        context = given;
        void given.signal;
        await new Promise<void>((resolve) => finish = resolve);
        return {};
      },
    });
    const abort = new AbortController();
    const call = client.route({}, { signal: abort.signal });
    await eventually("the handler runs", () => context !== undefined);
    abort.abort();
    assert.equal((await failure(call)).error.code, Code.Canceled);
    await eventually("the signal aborts", () => context!.signal.aborted);
    assert.ok(context!.signal.reason instanceof ConnectError);
    assert.equal(context!.signal.reason.code, Code.Canceled);
    assert.equal(server.streams.size, 0);
    finish();
  });

  it("ends with the same error as the others of its client when that leaves, as there may be thousands", async (t) => {
    const signals: AbortSignal[] = [];
    const { client, connection } = pair(t, {
      route(_, { signal }) {
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    const calls = Array.from({ length: 3 }, () => failure(client.route({})));
    await eventually("the handlers run", () => signals.length === 3);
    connection.close(0, 0);
    await Promise.all(calls);
    await eventually("the signals abort", () => signals.every(({ aborted }) => aborted));
    const [reason] = signals.map(({ reason }) => reason as unknown);
    assert.ok(reason instanceof ConnectError && reason.code === Code.Canceled, String(reason));
    assert.ok(signals.every((signal) => signal.reason === reason));
  });

  it("ends with an error of its own when the client resets it", async (t) => {
    const signals: AbortSignal[] = [];
    const { client } = pair(t, {
      route(_, { signal }) {
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    const abort = new AbortController();
    const calls = Array.from({ length: 2 }, () => failure(client.route({}, { signal: abort.signal })));
    await eventually("the handlers run", () => signals.length === 2);
    abort.abort();
    await Promise.all(calls);
    await eventually("the signals abort", () => signals.every(({ aborted }) => aborted));
    assert.notEqual(signals[0]!.reason, signals[1]!.reason);
  });

  it("aborts its handler's signal when the connection is lost", async (t) => {
    let context: HandlerContext | undefined;
    const { client, connection } = pair(t, {
      route(_, given) {
        context = given;
        void given.signal;
        return new Promise(() => {});
      },
    });
    const call = failure(client.route({}));
    await eventually("the handler runs", () => context !== undefined);
    connection.close(0, 0);
    await call;
    await eventually("the signal aborts", () => context!.signal.aborted);
  });

  it("aborts its handler's signal when it has succeeded, and one that is read later, too", async (t) => {
    const contexts: HandlerContext[] = [];
    const { client } = pair(t, {
      route(_, context) {
        contexts.push(context);
        if (contexts.length === 1) assert.equal(context.signal.aborted, false);
        return {};
      },
    });
    await client.route({});
    await client.route({});
    assert.deepEqual(contexts.map(({ signal }) => signal.aborted), [true, true]);
    assert.equal(contexts[1]!.signal.reason.name, "AbortError");
  });

  it("ends at its deadline, whatever its handler does", async (t) => {
    const clock = new ManualClock();
    const reasons: unknown[] = [], left: (number | undefined)[] = [];
    const methods = {
      route(_: unknown, context: HandlerContext) {
        left.push(context.timeoutMs());
        context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
        return new Promise<never>(() => {});
      },
      async *routeServerStream(_: unknown, context: HandlerContext) {
        yield {};
        await this.route(_, context);
      },
    };
    const { client } = pair(t, methods, { clock });
    const calls = [
      failure(client.route({}, { timeoutMs: 50 })),
      failure(values(client.routeServerStream({}, { timeoutMs: 50 }))),
    ];
    await settled();
    await settled();
    await clock.advance(54);
    for (const { error } of await Promise.all(calls)) assert.equal(error.code, Code.DeadlineExceeded);
    assert.deepEqual(left, [50, 50]);
    for (const reason of reasons) assert.equal((reason as ConnectError).code, Code.DeadlineExceeded);
    assert.equal(reasons.length, 2);
  });

  it("has no timeout without a deadline", async (t) => {
    let left: number | undefined = 1;
    const { client } = pair(t, {
      route(_, { timeoutMs }) {
        left = timeoutMs();
        return {};
      },
    });
    await client.route({});
    assert.equal(left, undefined);
  });

  it("ends the responses of a handler whose client has left", async (t) => {
    const log: string[] = [];
    const { client } = pair(t, {
      async *routeServerStream(_, { signal }) {
        try {
          for (;;) {
            yield { value: "x" };
            await settled();
          }
        } catch (error) {
          log.push(`caught ${(error as ConnectError).code === Code.Canceled}`);
          throw error;
        } finally {
          log.push(`ended, aborted: ${signal.aborted}`);
        }
      },
    }, { server: { onError: (error) => log.push(String(error)) } });
    const abort = new AbortController();
    await failure((async () => {
      for await (const _ of client.routeServerStream({}, { signal: abort.signal })) abort.abort();
    })());
    await eventually("the handler ends", () => log.length === 2);
    assert.deepEqual(log, ["caught true", "ended, aborted: true"]);
  });

  it("ends a request whose handler needs no more of it, and its client's iterable", async (t) => {
    const log: string[] = [];
    const { client } = pair(t, {
      async routeClientStream(requests) {
        for await (const { data } of requests) if (data === "3") break;
        return { value: "enough" };
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) {
          yield { value: data };
          if (data === "3") return;
        }
      },
    });
    assert.equal((await client.routeClientStream(endless(log))).value, "enough");
    assert.deepEqual(await values(client.routeBidiStream(endless(log))), ["0", "1", "2", "3"]);
    await eventually("the requests end", () => log.length === 2);
  });

  it("lets a handler respond on after it stopped reading requests", async (t) => {
    const { client } = pair(t, {
      async *routeBidiStream(requests) {
        for await (const _ of requests) break;
        for (let i = 0; i < 100; i++) {
          yield { value: String(i) };
          await settled();
        }
      },
    });
    assert.equal((await values(client.routeBidiStream(endless()))).length, 100);
  });

  it("gives a handler that reads requests the error of a call that was cancelled", async (t) => {
    const errors: unknown[] = [];
    const reading = async (requests: AsyncIterable<unknown>) => {
      try {
        for await (const _ of requests);
      } catch (error) {
        errors.push(error);
      }
      return {};
    };
    const { client } = pair(t, {
      routeClientStream: reading,
      async *routeBidiStream(requests) {
        yield await reading(requests);
      },
    });
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const calls = [client.routeClientStream(endless(), options), values(client.routeBidiStream(endless(), options))];
    await settled();
    abort.abort();
    for (const call of calls) assert.equal((await failure(call)).error.code, Code.Canceled);
    await eventually("the handlers learn of it", () => errors.length === 2);
    for (const error of errors) assert.equal((error as ConnectError).code, Code.Canceled);
  });

  it("ends with its handler's error while requests still arrive", async (t) => {
    const log: string[] = [];
    const { client } = pair(t, {
      async routeClientStream(requests) {
        for await (const { data } of requests) if (data === "2") throw new ConnectError("no", Code.Aborted);
        return {};
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) {
          yield { value: data };
          if (data === "2") throw new ConnectError("no", Code.Aborted);
        }
      },
    });
    assert.equal((await failure(client.routeClientStream(endless(log)))).error.code, Code.Aborted);
    const seen: string[] = [];
    const { error } = await failure((async () => {
      for await (const { value } of client.routeBidiStream(endless(log))) seen.push(value);
    })());
    assert.equal(error.code, Code.Aborted);
    assert.deepEqual(seen, ["0", "1", "2"]);
    await eventually("the requests end", () => log.length === 2);
  });

  it("waits for a client that reads slowly", async (t) => {
    let yielded = 0;
    const { client } = pair(t, {
      async *routeServerStream() {
        for (; yielded < 1_000; yielded++) yield { value: "x".repeat(10_000) };
      },
    });
    const iterator = client.routeServerStream({})[Symbol.asyncIterator]();
    await iterator.next();
    for (let i = 0; i < 100; i++) await settled();
    assert.ok(yielded < 50, `${yielded} of 1,000 messages were read from the handler`);
    let read = 1;
    while (!(await iterator.next()).done) read++;
    assert.equal(read, 1_000);
  });

  it("holds back a client whose requests it reads slowly", async (t) => {
    let sent = 0, read = 0, go = () => {};
    const { client } = pair(t, {
      async routeClientStream(requests) {
        for await (const _ of requests) if (++read === 1) await new Promise<void>((resolve) => go = resolve);
        return { code: read };
      },
    });
    const call = client.routeClientStream((async function* () {
      for (; sent < 1_000; sent++) yield { data: "x".repeat(10_000) };
    })());
    await eventually("the handler reads", () => read === 1);
    for (let i = 0; i < 100; i++) await settled();
    assert.ok(sent < 50, `${sent} of 1,000 messages were sent`);
    go();
    assert.equal((await call).code, 1_000);
  });

  it("fails if the server holds too much of unfinished requests already, and others go on", async (t) => {
    const { client } = pair(t, { route: ({ data }) => ({ value: data }) }, { maxBufferedBytes: 1_000 });
    for (const data of ["x".repeat(100_000), "y".repeat(2_000_000)]) {
      assert.equal((await failure(client.route({ data }))).error.code, Code.ResourceExhausted);
      assert.equal((await client.route({ data: "a" })).value, "a");
    }
  });

  it("holds back a client until its gate has let it pass", async (t) => {
    let sent = 0, pass = () => {}, asked = false;
    const server = {
      requestGate: () => {
        asked = true;
        return new Promise<void>((resolve) => pass = resolve);
      },
    };
    const { client } = pair(t, {
      route: ({ data }) => ({ code: data.length }),
      async routeClientStream(requests) {
        let code = 0;
        for await (const { data } of requests) code += data.length;
        return { code };
      },
    }, { server });
    const streaming = client.routeClientStream((async function* () {
      for (; sent < 1_000; sent++) yield { data: "x".repeat(1_000) };
    })());
    await eventually("the gate is asked", () => asked);
    for (let i = 0; i < 100; i++) await settled();
    assert.ok(sent < 200, `${sent} of 1,000 messages were sent`);
    pass();
    assert.equal((await streaming).code, 1_000_000);
    asked = false;
    const unary = client.route({ data: "x".repeat(1_000_000) });
    await eventually("the gate is asked", () => asked);
    pass();
    assert.equal((await unary).code, 1_000_000);
  });

  it("lets others go on while a handler yields without waiting", async (t) => {
    let turned = false;
    const { client } = pair(t, {
      async *routeServerStream() {
        setTimeout(() => turned = true, 0);
        for (let i = 0; i < 100_000 && !turned; i++) yield {};
      },
    });
    await values(client.routeServerStream({}));
    assert.ok(turned);
  });
});
