// The gateway driver by itself: what it sends, and how it reads the answers of etcd's versions and of strangers.
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { AttemptContext } from "../../src/etcd/driver/driver.ts";
import { createGatewayDriver } from "../../src/etcd/driver/gateway/gateway-driver.ts";
import { readLines } from "../../src/response-lines.ts";
import { createGatewayRegistry, type Fetch } from "../../src/etcd-gateway.ts";
import { bytes, range } from "./drivers.ts";

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
  readonly body: unknown;
}

const encoder = new TextEncoder();
const HEADER = { cluster_id: "7", member_id: "18446744073709551615", revision: "9007199254740993", raft_term: "2" };

/** A body in chunks, which tells when it is cancelled. */
function streamOf(
  chunks: readonly (string | Uint8Array)[],
  { open = false, onCancel = () => {} } = {},
): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
      if (!open) controller.close();
    },
    cancel: onCancel,
  });
}

/** A driver whose requests are all answered alike. */
function answering(answer: () => Response) {
  const sent: Sent[] = [];
  const fetch: Fetch = (url, init) => {
    sent.push({ url, init, body: JSON.parse(init.body as string) });
    return Promise.resolve(answer());
  };
  return { sent, driver: createGatewayDriver({ fetch, random: () => 0 }) };
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
const call = (more: Partial<AttemptContext> = {}): AttemptContext => {
  return { endpoint: { address: "etcd:2379" }, signal: new AbortController().signal, ...more };
};
const failing = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(() => assert.fail("it did not fail"), (error: Error) => error);

describe("the gateway driver", () => {
  it("sends one POST with plain JSON and the bare token, and reads numbers from strings", async () => {
    const kv = { key: "YQ==", create_revision: "5", mod_revision: "9007199254740993", value: "AP8K", lease: "-1" };
    const { driver, sent } = answering(() => json({ header: HEADER, kvs: [kv], count: "1" }));
    const endpoint = { address: "etcd.example:443/one", secure: true };
    const { header, kvs, more } = await driver.range({ ...range("a/"), limit: 2n }, call({ endpoint, token: "t.1" }));
    assert.deepEqual(header, { clusterId: 7n, revision: 9007199254740993n, raftTerm: 2n });
    assert.deepEqual([kvs, more], [[{
      key: bytes("a"),
      value: new Uint8Array([0, 255, 10]),
      createRevision: 5n,
      modRevision: 9007199254740993n,
      lease: -1n,
    }], false]);
    const [{ url, init, body }] = sent as [Sent];
    assert.deepEqual([url, init.method, init.redirect], ["https://etcd.example:443/one/v3/kv/range", "POST", "manual"]);
    assert.deepEqual(init.headers, { "content-type": "application/json", authorization: "t.1" });
    assert.deepEqual(body, { key: "YS8=", range_end: "YTA=", limit: "2" });
  });

  it("requires a leader of watches and keepalives, except in a page, whose preflight would be refused", async () => {
    const { driver, sent } = answering(() => json({ result: { header: HEADER, TTL: "5" } }));
    assert.equal(await driver.leaseKeepAlive(2n ** 62n, call()), 5n);
    const own = Object.getOwnPropertyDescriptor(globalThis, "location");
    Object.defineProperty(globalThis, "location", { value: new URL("http://page.example"), configurable: true });
    try {
      await driver.leaseKeepAlive(1n, call());
    } finally {
      if (own === undefined) Reflect.deleteProperty(globalThis, "location");
      else Object.defineProperty(globalThis, "location", own);
    }
    assert.deepEqual(sent.map(({ body }) => body), [{ ID: String(2n ** 62n) }, { ID: "1" }]);
    assert.deepEqual(
      sent.map(({ init: { headers } }) => Object.keys(headers as object)),
      [["content-type", "grpc-metadata-hasleader"], ["content-type"]],
    );
  });

  it("takes the runtime's fetch at the time of the call, and calls it as a function", async () => {
    const driver = createGatewayDriver({ random: Math.random });
    const { fetch } = globalThis;
    const receivers: unknown[] = [];
    globalThis.fetch = function (this: unknown) {
      receivers.push(this);
      return Promise.resolve(json({ header: HEADER }));
    } as unknown as typeof fetch;
    try {
      await driver.range(range("a/"), call());
    } finally {
      globalThis.fetch = fetch;
    }
    assert.deepEqual(receivers, [undefined]);
  });

  it("reads the refusals of every version by their code and text, never by the HTTP status", async () => {
    const gone = "etcdserver: requested lease not found";
    const bodies: readonly (readonly [body: unknown, kind: string, text: string])[] = [
      [{ error: gone, message: gone, code: 5 }, "lease-gone", gone],
      [{ code: 5, message: gone }, "lease-gone", gone],
      [{ error: { grpc_code: 16, http_code: 401, message: "no", http_status: "Unauthorized" } }, "token", "no"],
      [{ error: { code: 16, message: "no" } }, "token", "no"],
      [{ code: 7, message: "no" }, "refused", "no"],
      [{ error: "old", code: 3 }, "transient", "old"],
      [{ code: 9, message: "etcdserver: lease already exists" }, "lease-exists", "etcdserver: lease already exists"],
      [{ code: 14 }, "transient", "etcd gave no reason"],
      [
        { code: 3, message: "a\u202Eb\u0007\n" + "x".repeat(300) },
        "transient",
        `a\\u202eb\\u0007\\u000a${"x".repeat(179)}…`,
      ],
    ];
    for (const [body, kind, text] of bodies) {
      for (const status of [200, 400, 401, 412, 500]) {
        // The errors of streams of etcd 3.5 end without a newline.
        const { driver } = answering(() => json(body, status));
        const error = await failing(driver.leaseKeepAlive(1n, call()));
        assert.deepEqual([driver.classify(error), error.message], [kind, text]);
      }
    }
  });

  it("takes nothing that is not etcd's for an answer, least of all for an empty list or a lease that is gone", async () => {
    const answers: readonly (readonly [response: () => Response, text: RegExp])[] = [
      [
        () => new Response("404 page not found\n", { status: 404 }),
        /^HTTP 404: is this etcd's JSON gateway\?.*grpc-proxy.*"404 page not found"$/,
      ],
      [() => json({ code: 5, message: "Not Found" }, 404), /^Not Found$/],
      [() => new Response("<html>\n<h1>502</h1>", { status: 502 }), /^HTTP 502: "<html>"$/],
      [() => new Response("Misdirected", { status: 421 }), /^HTTP 421: .*--host-whitelist: "Misdirected"$/],
      [() => new Response(null, { status: 204 }), /^HTTP 204: an empty answer$/],
      [() => new Response("", { status: 200 }), /^HTTP 200: an empty answer$/],
      [
        () => new Response(null, { status: 302, headers: { location: "http://elsewhere/" } }),
        /^HTTP 302: an empty answer$/,
      ],
      [() => json({}), /^HTTP 200: "\{\}"$/],
      [() => json([]), /^HTTP 200: "\[\]"$/],
      [() => json({ result: { TTL: "5" } }), /^HTTP 200: /],
      [() => json({ header: HEADER }, 500), /^HTTP 500: /],
    ];
    for (const [response, text] of answers) {
      for (const method of ["range", "keepalive"] as const) {
        const { driver } = answering(response);
        const error = await failing(
          method === "range" ? driver.range(range("a/"), call()) : driver.leaseKeepAlive(1n, call()),
        );
        assert.match(error.message, text);
        assert.equal(driver.classify(error), "transient");
      }
    }
    const wrong: unknown[] = [{ kvs: 5 }, { kvs: [5] }, { kvs: [{ key: 5 }] }, { kvs: [{ lease: "x" }] }];
    for (const fields of wrong) {
      const { driver } = answering(() => json({ header: HEADER, ...fields as object }));
      const error = await failing(driver.range(range("a/"), call()));
      assert.match(error.message, /^the field .* of etcd's answer is not /);
    }
    const { driver } = answering(() => json({ header: HEADER, kvs: [{ key: "€" }] }));
    await failing(driver.range(range("a/"), call()));
  });

  it("reads no further than an error's end, nor an error without one for long", async () => {
    const gone = JSON.stringify({ error: "gone", message: "gone", code: 5 });
    for (
      const [chunks, text] of [[[gone.slice(0, 9), gone.slice(9)], /^gone$/], [
        ["x".repeat(70_000)],
        /^HTTP 404: /,
      ]] as const
    ) {
      let cancelled = false;
      const body = streamOf(chunks, { open: true, onCancel: () => void (cancelled = true) });
      const { driver } = answering(() => new Response(body, { status: 404 }));
      assert.match((await failing(driver.leaseRevoke(1n, call()))).message, text);
      assert.ok(cancelled);
    }
  });

  it("names the reason of a request that was not answered", async () => {
    const fetch = () => Promise.reject(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }));
    const driver = createGatewayDriver({ fetch, random: Math.random });
    const error = await failing(driver.range(range("a/"), call()));
    assert.equal(error.message, "fetch failed: connect ECONNREFUSED");
    assert.equal(driver.classify(error), "transient");
  });

  it("reads a watch however its lines are split, and ends the request when it is left", async () => {
    const lines = [
      { result: { header: HEADER, watch_id: "1", created: true } },
      { result: { header: HEADER, watch_id: "1", fragment: true, events: [{ kv: { key: "YQ==", value: "w6k=" } }] } },
      {
        result: { header: HEADER, watch_id: "1", events: [{ type: "DELETE", kv: { key: "YQ==", mod_revision: "9" } }] },
      },
    ];
    const whole = encoder.encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    for (const size of [1, 2, 3, 7, 64, whole.length]) {
      const chunks: Uint8Array[] = [];
      for (let from = 0; from < whole.length; from += size) chunks.push(whole.slice(from, from + size));
      let cancelled = false;
      const body = streamOf(chunks, { open: true, onCancel: () => void (cancelled = true) });
      const { driver, sent } = answering(() => new Response(body));
      const stream = driver.watch(call());
      stream.create({ ...range("a/"), watchId: 1n, startRevision: 5n });
      const seen = [];
      for await (const response of stream.responses) if (seen.push(response) === lines.length) break;
      assert.deepEqual(
        seen.map(({ created, fragment, events }) => [created, fragment, events.map(({ type }) => type)]),
        [
          [true, false, []],
          [false, true, ["put"]],
          [false, false, ["delete"]],
        ],
      );
      assert.deepEqual(sent[0]?.body, {
        create_request: {
          watch_id: "1",
          key: "YS8=",
          range_end: "YTA=",
          start_revision: "5",
          progress_notify: true,
          fragment: true,
        },
      });
      assert.ok(cancelled);
    }
  });

  it("ends a watch that is canceled, and throws what etcd says at the end of one", async () => {
    const created = JSON.stringify({ result: { header: HEADER, watch_id: "1", created: true } });
    const left = answering(() => new Response(streamOf([`${created}\n`], { open: true }))).driver.watch(call());
    left.create({ ...range("a/"), watchId: 1n, startRevision: 5n });
    const seen: bigint[] = [];
    for await (const { watchId } of left.responses) {
      seen.push(watchId);
      left.cancel(watchId);
    }
    assert.deepEqual(seen, [1n]);
    const error = JSON.stringify({ error: { grpc_code: 14, message: "etcdserver: no leader" } });
    const { driver } = answering(() => new Response(streamOf([`${created}\n${error}`])));
    const refused = driver.watch(call());
    refused.create({ ...range("a/"), watchId: 1n, startRevision: 5n });
    const failure = await failing((async () => {
      for await (const _ of refused.responses);
    })());
    assert.equal(failure.message, "etcdserver: no leader");
  });

  it("reopens watches every 40 to 55 s, before proxies cut what is silent for a minute", () => {
    for (const [random, expected] of [[0, 40_000], [1, 55_000]] as const) {
      const driver = createGatewayDriver({ random: () => random });
      assert.equal(driver.capabilities.maxStreamMs, expected);
    }
  });
});

describe("the lines of a body", () => {
  const { signal } = new AbortController();
  const linesOf = async (chunks: readonly (string | Uint8Array)[], most = 100) =>
    await Array.fromAsync(readLines(streamOf(chunks), most, signal));

  it("need no newline at the end, and may be empty or split within a character", async () => {
    assert.deepEqual(await linesOf([]), []);
    assert.deepEqual(await linesOf(["a\n", "b"]), ["a", "b"]);
    assert.deepEqual(await linesOf(["a\n\nb", "c\n"]), ["a", "", "bc"]);
    const euro = encoder.encode("€\n");
    assert.deepEqual(await linesOf([euro.slice(0, 1), euro.slice(1, 2), euro.slice(2)]), ["€"]);
    assert.deepEqual(await linesOf([euro.slice(0, 2)]), ["\ufffd"]);
  });

  it("are bounded, however they arrive", async () => {
    let pulled = 0, cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(encoder.encode("x".repeat(10)));
      },
      cancel: () => void (cancelled = true),
    });
    await assert.rejects(Array.fromAsync(readLines(endless, 100, signal)), RangeError);
    assert.ok(pulled < 20 && cancelled);
    await assert.rejects(linesOf(["x".repeat(101)]), RangeError);
    assert.equal((await linesOf([`${"x".repeat(100)}\n${"y".repeat(100)}`])).length, 2);
  });
});

describe("createGatewayRegistry", () => {
  const urls: string[] = [];
  const fetch: Fetch = (url) => {
    urls.push(url);
    return Promise.reject(new TypeError("nobody there"));
  };
  afterEach(() => void urls.splice(0));
  const asked = async (...endpoints: string[]) => {
    const registry = createGatewayRegistry({ endpoints, fetch, random: () => 0 });
    const error = await failing(registry.resolver("a").list!(new AbortController().signal));
    await registry.close();
    return error.message;
  };

  it("takes URLs with or without port and path, and asks each once", async () => {
    const message = await asked("http://a:2379", "https://b.example", "http://c", "https://d:8443/etcd/1/", "e:2379");
    assert.deepEqual(urls, [
      "http://a:2379/v3/kv/range",
      "https://b.example:443/v3/kv/range",
      "http://c:80/v3/kv/range",
      "https://d:8443/etcd/1/v3/kv/range",
      "http://e:2379/v3/kv/range",
    ]);
    assert.equal(message, "etcd at e:2379: nobody there");
    await asked("https://[::1]:2379/", "https://[::1]");
    assert.deepEqual(urls.slice(5), ["https://[::1]:2379/v3/kv/range", "https://[::1]:443/v3/kv/range"]);
    assert.match(await asked("https://d/etcd"), /^etcd at d:443\/etcd: /);
  });

  it("takes an object with a fetch of its own, and calls that as its method", async () => {
    const receivers: unknown[] = [];
    const binding = {
      fetch(url: string) {
        receivers.push(this, url);
        return Promise.resolve(json({ header: HEADER }));
      },
    };
    const registry = createGatewayRegistry({ endpoints: ["http://10.0.0.1:2379"], fetch: binding });
    const { endpoints } = await registry.resolver("a").list!(new AbortController().signal);
    await registry.close();
    assert.deepEqual([endpoints, receivers], [[], [binding, "http://10.0.0.1:2379/v3/kv/range"]]);
  });

  it("refuses other URLs", () => {
    for (
      const endpoint of [
        "ftp://a:1",
        "http://u:p@a:1",
        "http://a:1/?x=1",
        "http://a:1/#x",
        "http://a:99999",
        "a",
        5,
        "http://a/ b",
      ]
    ) {
      assert.throws(
        () => createGatewayRegistry({ endpoints: [endpoint as string] }),
        (error: Error) =>
          (error instanceof TypeError || error instanceof RangeError) && /etcd endpoint/.test(error.message),
        String(endpoint),
      );
    }
    assert.throws(() => createGatewayRegistry({ endpoints: [] }), /empty array/);
    assert.throws(() => createGatewayRegistry({ endpoints: ["a:1"], fetch: 5 as unknown as Fetch }), /option fetch/);
  });
});
