import assert from "node:assert/strict";
import process from "node:process";
import type { Transform } from "node:stream";
import { runtime } from "../support/process.ts";
import { describe, it } from "node:test";
import { createDeflate, createGzip } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { Simple, SimpleRequestSchema } from "../../gen/simple_pb.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { defaultCompressions, deflate, gzip } from "../../src/grpc/compression.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { concat } from "../support/raw-http2/frame.ts";
import { connect, failure, script, serve, values } from "./link.ts";

async function* messages(...data: string[]) {
  for (const one of data) yield { data: one };
}

const interceptorsOfLinks: readonly (readonly [string, Interceptor[]])[] = [
  ["without", []],
  ["with", [(next) => (request) => next(request)]],
];

describe("a call of each kind", () => {
  it("unary, with headers and trailers", async (t) => {
    const address = await serve(t, {
      route({ data }, context) {
        context.responseHeader.set("x-heard", context.requestHeader.get("x-said") ?? "");
        context.responseHeader.append("x-two", "a");
        context.responseHeader.append("x-two", "b");
        context.responseTrailer.set("x-bin-bin", "AQID");
        return { code: 200, value: data.toUpperCase() };
      },
    });
    const simple = await connect(t, address);
    let header = new Headers(), trailer = new Headers();
    const response = await simple.route({ data: "grüß" }, {
      headers: { "X-Said": "hi" },
      onHeader: (headers) => header = headers,
      onTrailer: (headers) => trailer = headers,
    });
    assert.deepEqual([response.code, response.value], [200, "GRÜSS"]);
    assert.ok(header instanceof Headers && trailer instanceof Headers);
    assert.deepEqual([header.get("x-heard"), header.get("X-Two"), trailer.get("x-bin-bin")], ["hi", "a, b", "AQID"]);
    assert.equal(new Headers(header).get("content-type"), "application/grpc+proto");
    assert.deepEqual([...trailer.keys()].sort(), ["grpc-status", "x-bin-bin"]);
  });

  it("with messages as the schema makes them, and with no content", async (t) => {
    const address = await serve(t, { route: ({ data }) => ({ code: data.length, value: "" }) });
    const simple = await connect(t, address);
    assert.equal((await simple.route(create(SimpleRequestSchema, { data: "four" }))).code, 4);
    assert.equal((await simple.route({})).code, 0);
  });

  it("server streaming, client streaming and both at once", async (t) => {
    const address = await serve(t, {
      async *routeServerStream({ data }) {
        for (let i = 0; i < 100; i++) yield { value: `${data} ${i}` };
      },
      async routeClientStream(requests) {
        let all = "";
        for await (const { data } of requests) all += data;
        return { value: all };
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield { value: `re ${data}` };
      },
    });
    const simple = await connect(t, address);
    assert.equal((await values(simple.routeServerStream({ data: "n" }))).at(-1), "n 99");
    assert.equal((await simple.routeClientStream(messages("a", "b", "c"))).value, "abc");
    assert.deepEqual(await values(simple.routeBidiStream(messages("a", "b"))), ["re a", "re b"]);
    assert.deepEqual(await values(simple.routeBidiStream(messages())), []);
  });

  it("in ping-pong: a response is read before the next request is made", async (t) => {
    const address = await serve(t, {
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield { value: data };
      },
    });
    const simple = await connect(t, address);
    let turn: (data: string | undefined) => void = () => {};
    async function* requests() {
      for (let data: string | undefined = "0"; data !== undefined;) {
        yield { data };
        data = await new Promise<string | undefined>((resolve) => turn = resolve);
      }
    }
    const got: string[] = [];
    for await (const { value } of simple.routeBidiStream(requests())) {
      got.push(value);
      turn(got.length < 5 ? String(got.length) : undefined);
    }
    assert.deepEqual(got, ["0", "1", "2", "3", "4"]);
  });

  it("2,000 at once, each with its own answer", async (t) => {
    const simple = await connect(t, await serve(t, { route: ({ data }) => ({ value: `hello ${data}` }) }));
    const all = await Promise.all(Array.from({ length: 2_000 }, (_, i) => simple.route({ data: `grpc ${i}` })));
    all.forEach(({ value }, i) => assert.equal(value, `hello grpc ${i}`));
  });

  it("with 10 MiB each way, through windows of 64 KiB and of 8 MiB", async (t) => {
    const address = await serve(t, {
      route: ({ data }) => ({ value: data }),
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3; i++) yield { value: data };
      },
    });
    const data = "0123456789abcdef".repeat(640 * 1024);
    for (const limits of [{ streamWindowBytes: 65_535, connectionWindowBytes: 65_535 }, {}]) {
      const simple = await connect(t, address, { limits, readMaxBytes: 2 ** 24 });
      assert.ok((await simple.route({ data })).value === data);
      assert.ok((await values(simple.routeServerStream({ data }))).every((value) => value === data));
    }
  });
});

describe("errors of a server", () => {
  it("have its code, message, metadata and details", async (t) => {
    const fail = () => {
      throw new ConnectError("no ünits % left", Code.ResourceExhausted, { "x-a": "b" }, [
        { desc: DurationSchema, value: { seconds: 7n } },
      ]);
    };
    const simple = await connect(t, await serve(t, { route: fail, routeServerStream: fail, routeClientStream: fail }));
    const calls = [
      () => simple.route({}),
      () => values(simple.routeServerStream({})),
      () => simple.routeClientStream(messages("a")),
    ];
    for (const call of calls) {
      const { error, mark } = await failure(call());
      assert.deepEqual([error.code, error.rawMessage, mark], [Code.ResourceExhausted, "no ünits % left", "answered"]);
      assert.equal(error.metadata.get("x-a"), "b");
      assert.deepEqual(error.findDetails(DurationSchema).map(({ seconds }) => seconds), [7n]);
    }
  });

  it("come after the messages before them", async (t) => {
    const simple = await connect(
      t,
      await serve(t, {
        async *routeServerStream() {
          yield { value: "one" };
          throw new ConnectError("then this", Code.Aborted);
        },
      }),
    );
    const got: string[] = [];
    const { error } = await failure((async () => {
      for await (const { value } of simple.routeServerStream({})) got.push(value);
    })());
    assert.deepEqual([got, error.code], [["one"], Code.Aborted]);
  });

  it("are unimplemented for a method it doesn't have", async (t) => {
    const simple = await connect(t, await serve(t, {}));
    assert.equal((await failure(simple.route({}))).error.code, Code.Unimplemented);
  });

  it("are unimplemented, and say so, for a service it doesn't have", async (t) => {
    const address = await script(t, async (session) => {
      await session.handshake();
      session.headers(await session.wholeRequest(), [[":status", "404"]], { endStream: true });
      await session.left();
    });
    const { error } = await failure((await connect(t, address)).route({}));
    assert.equal(error.message, "[unimplemented] HTTP 404: the server doesn't have this service or method");
  });
});

describe("options", () => {
  const echo = { route: ({ data }: { data: string }) => ({ value: data }) };

  it("useBinaryFormat: false speaks JSON", async (t) => {
    const simple = await connect(t, await serve(t, echo), { useBinaryFormat: false });
    let type: string | null = null;
    const { value } = await simple.route({ data: "json ü" }, {
      onHeader: (header) => type = header.get("content-type"),
    });
    assert.deepEqual([value, type], ["json ü", "application/grpc+json"]);
  });

  it("sendCompression and acceptCompression compress what is large enough", async (t) => {
    const seen: string[] = [];
    const counted = (compression: Compression): Compression => ({
      name: compression.name,
      compress: (bytes) => (seen.push("compress"), compression.compress(bytes)),
      decompress: (bytes, most) => (seen.push("decompress"), compression.decompress(bytes, most)),
    });
    const address = await serve(t, {
      ...echo,
      async *routeServerStream({ data }) {
        for (let i = 0; i < 3; i++) yield { value: i === 1 ? "" : data };
      },
      async routeClientStream(requests) {
        let value = "";
        for await (const { data } of requests) value += data.length;
        return { value };
      },
    });
    const used = counted(gzip);
    const simple = await connect(t, address, {
      sendCompression: used,
      acceptCompression: [used],
      compressMinBytes: 500,
    });
    const data = "abc".repeat(1_000);
    assert.equal((await simple.route({ data })).value, data);
    assert.deepEqual(seen.splice(0), ["compress", "decompress"]);
    await simple.route({ data: "small" });
    assert.deepEqual(seen.splice(0), []);
    assert.deepEqual(await values(simple.routeServerStream({ data })), [data, "", data]);
    assert.equal((await simple.routeClientStream(messages(data, "x", data))).value, "300013000");
  });

  it("deflate is zlib's format, and a bomb stops at the limit", async () => {
    const bytes = new Uint8Array(100_000);
    for (const compression of [deflate, gzip]) {
      const small = await compression.compress(bytes);
      assert.ok(small.length < 1_000);
      assert.deepEqual(await compression.decompress(small, 100_000), bytes);
      await assert.rejects(
        compression.decompress(small, 99_999),
        (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
      );
      await assert.rejects(
        compression.decompress(bytes, 99_999),
        (error) => error instanceof ConnectError && error.code === Code.InvalidArgument,
      );
    }
    assert.equal((await deflate.compress(bytes))[0]! & 0x0f, 8);
  });

  it("a bomb takes hardly any memory, whatever it is compressed with", async () => {
    const packers: Record<string, () => Transform> = {
      gzip: createGzip,
      deflate: createDeflate,
    };
    const bombs: [Compression, Uint8Array<ArrayBuffer>][] = [];
    for (const compression of [...defaultCompressions, deflate]) {
      const packer = packers[compression.name]!();
      const chunks: Uint8Array[] = [];
      packer.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      const megabyte = new Uint8Array(1 << 20);
      for (let i = 0; i < 160; i++) await new Promise((resolve) => packer.write(megabyte, resolve));
      const ended = new Promise((resolve) => packer.on("end", resolve));
      packer.end();
      await ended;
      bombs.push([compression, concat(...chunks) as Uint8Array<ArrayBuffer>]);
    }
    const beforeKib = process.resourceUsage().maxRSS;
    for (const [compression, bomb] of bombs) {
      await assert.rejects(
        compression.decompress(bomb, 1_000),
        (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
      );
    }
    const grownMib = (process.resourceUsage().maxRSS - beforeKib) / 1024;
    assert.ok(grownMib < 100, `${grownMib} MiB for bombs of 160 MiB`);
  });

  it("a bomb is inflated at most 1 MiB beyond the limit, by the bytes that are given to the runtime", async (t) => {
    const Original = DecompressionStream;
    let given = 0;
    globalThis.DecompressionStream = class extends Original {
      override get writable() {
        const writer = super.writable.getWriter();
        return new WritableStream<BufferSource>({
          write(chunk) {
            given += chunk.byteLength;
            return writer.write(chunk as Uint8Array<ArrayBuffer>);
          },
          close: () => writer.close(),
        });
      }
    };
    t.after(() => globalThis.DecompressionStream = Original);
    for (const compression of [gzip, deflate]) {
      const zeros = await compression.compress(new Uint8Array(64 << 20));
      const ratio = (64 << 20) / zeros.length;
      for (const limit of [1, 1_000_000, 4 << 20, 16 << 20]) {
        given = 0;
        await assert.rejects(compression.decompress(zeros, limit), { code: Code.ResourceExhausted });
        // Node takes what it is given, up to 64 KiB, but inflates no more than a chunk ahead of what is read.
        if (runtime === "node") continue;
        assert.ok(given * ratio <= limit + (1 << 20), `${given} bytes were given at a limit of ${limit}`);
      }
      // What is not above the limit comes out whole, however little it was packed.
      const random = new Uint8Array(300_000).map((_, i) => (i * 2_654_435_761 >>> 13) & 0xff);
      for (const bytes of [random, new Uint8Array(300_000)]) {
        assert.deepEqual(await compression.decompress(await compression.compress(bytes), 300_000), bytes);
      }
    }
  });

  it("offers gzip alone: a decoder of Brotli can't be stopped near the limit", () => {
    assert.deepEqual(defaultCompressions.map(({ name }) => name), ["gzip"]);
  });

  it("takes messages of up to 4 MiB by default", async (t) => {
    const address = await serve(t, { route: ({ data }) => ({ value: "x".repeat(Number(data)) }) });
    const simple = await connect(t, address, {});
    assert.equal((await simple.route({ data: `${4 * 2 ** 20 - 100}` })).value.length, 4 * 2 ** 20 - 100);
    await assert.rejects(simple.route({ data: `${4 * 2 ** 20}` }), { code: Code.ResourceExhausted });
  });

  it("readMaxBytes and writeMaxBytes bound messages", async (t) => {
    const address = await serve(t, {
      ...echo,
      async *routeServerStream({ data }) {
        yield { value: "ok" };
        yield { value: data };
      },
    });
    const data = "x".repeat(2_000);
    const reader = await connect(t, address, { readMaxBytes: 1_000, acceptCompression: [] });
    for (const start of [() => reader.route({ data }), () => values(reader.routeServerStream({ data }))]) {
      const call = start();
      const { error } = await failure(call);
      assert.deepEqual([error.code, error.rawMessage], [
        Code.ResourceExhausted,
        "message size 2003 is larger than configured readMaxBytes 1000",
      ]);
    }
    assert.equal((await reader.route({ data: "small" })).value, "small");
    const writer = await connect(t, address, { writeMaxBytes: 1_000 });
    const { error, mark } = await failure(writer.route({ data }));
    assert.deepEqual([error.code, mark], [Code.ResourceExhausted, undefined]);
    await assert.rejects(connect(t, address, { readMaxBytes: 0 }), /readMaxBytes is 0: expected/);
  });

  it("interceptors see and change requests and responses", async (t) => {
    const address = await serve(t, {
      route: ({ data }, context) => ({ value: `${data} ${context.requestHeader.get("x-added")}` }),
      async *routeServerStream({ data }, context) {
        yield { value: `${data} ${context.requestHeader.get("x-added")}` };
      },
    });
    const seen: string[] = [];
    const simple = await connect(t, address, {
      defaultTimeoutMs: 60_000,
      interceptors: [(next) => async (request) => {
        seen.push(request.url, request.header.get("content-type")!, request.header.get("grpc-timeout")!);
        request.header.set("x-added", "by interceptor");
        const response = await next(request);
        seen.push(response.header.get("content-type")!);
        return { ...response };
      }],
    });
    assert.equal((await simple.route({ data: "a" })).value, "a by interceptor");
    assert.deepEqual(seen, [
      `http://${address}/proto.Simple/Route`,
      "application/grpc+proto",
      "60000m",
      "application/grpc+proto",
    ]);
    assert.deepEqual(await values(simple.routeServerStream({ data: "b" })), ["b by interceptor"]);
  });
});

describe("a request's header section", () => {
  it("is gRPC's, with the caller's metadata, however it is given", async (t) => {
    const address = await serve(t, {
      route: (_, { requestHeader }) => ({ value: JSON.stringify([...requestHeader]) }),
    });
    const simple = await connect(t, address);
    const asked = async (headers: HeadersInit, timeoutMs?: number) => {
      const all = JSON.parse(
        (await simple.route({}, { headers, ...(timeoutMs === undefined ? {} : { timeoutMs }) })).value,
      );
      return new Map<string, string>(all);
    };
    const forms: HeadersInit[] = [
      { "X-A": "1", "x-b": " 2 " },
      [["X-A", "1"], ["x-b", " 2 "]],
      new Headers({ "x-a": "1", "x-b": "2" }),
    ];
    for (const form of forms) {
      const header = await asked(form);
      assert.deepEqual([header.get("x-a"), header.get("x-b")], ["1", "2"]);
      assert.deepEqual(["content-type", "te", "user-agent"].map((name) => header.get(name)), [
        "application/grpc+proto",
        "trailers",
        "connect-lb",
      ]);
    }
    assert.equal((await asked({ "user-agent": "mine/1" })).get("user-agent"), "mine/1");
    assert.equal((await asked({ "content-type": "text/plain" })).get("content-type"), "application/grpc+proto");
    assert.equal((await asked({ "x-latin": "ü" })).get("x-latin"), "ü");
  });

  it("has none of a caller's or an interceptor's fields that belong to the protocol", async (t) => {
    const blocks: string[] = [];
    const address = await script(t, async (session) => {
      await session.handshake();
      for (;;) {
        const id = await session.wholeRequest();
        blocks.push(
          new TextDecoder("latin1").decode(session.received.filter(({ type }) => type === 1).at(-1)!.payload),
        );
        session.respond(id, { trailers: [["grpc-status", "5"]] });
      }
    });
    const reserved = [
      ...[":authority", ":path", ":status", ":x", "host", "te", "trailer", "content-type", "content-length"],
      ...["content-encoding", "accept-encoding", "connection", "keep-alive", "proxy-connection", "transfer-encoding"],
      ...["upgrade", "http2-settings", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-status"],
      ...["grpc-message", "grpc-message-type", "grpc-status-details-bin"],
    ];
    const plain = await connect(t, address);
    const intercepted = await connect(t, address, {
      interceptors: [(next) => (request) => {
        for (const name of reserved) if (!name.startsWith(":")) request.header.set(name, "forged");
        return next(request);
      }],
    });
    for (const name of reserved) {
      for (const spelled of [name, name.toUpperCase()]) {
        await failure(plain.route({}, { headers: [["x-kept", "kept"], [spelled, "forged"]], timeoutMs: 60_000 }));
      }
    }
    await failure(intercepted.route({}, { headers: { "x-kept": "kept" }, timeoutMs: 60_000 }));
    assert.equal(blocks.length, 2 * reserved.length + 1);
    for (const block of blocks) {
      assert.match(block, /x-kept.kept/);
      assert.match(block, /grpc-timeout.[56]\d{4}m/);
      assert.doesNotMatch(block, /forged/);
    }
  });

  it("is refused where HTTP/2 forbids it, with no mark that asks for another try", async (t) => {
    const simple = await connect(t, await serve(t, { route: () => ({}) }));
    for (
      const [headers, why] of [
        [{ "bad name": "x" }, /"bad name" is not a header field name/],
        [[["", "x"]], /"" is not a header field name/],
        [{ "x-ü": "x" }, /"x-ü" is not a header field name/],
        [{ "x-a": "secret\nb" }, /value of the header field "x-a" can't be sent: .* line break/],
        [{ "x-a": "secret\r\nb" }, /"x-a"/],
        [{ "x-a": "secret\0b" }, /"x-a"/],
        [{ "x-a": "secret\x7f" }, /"x-a"/],
        [{ "x-a": "secret€" }, /"x-a" .* above U\+00FF/],
        [{ "x-a-bin": "no base64!" }, /"x-a-bin" .* base64.*encodeBinaryHeader/],
        [{ "x-a-bin": "AAAAA" }, /"x-a-bin"/],
        [{ "x-a-bin": "AA=" }, /"x-a-bin"/],
        [{ "x-a-bin": "AA-_" }, /"x-a-bin"/],
        [{ "x-a-bin": "AA, A A" }, /"x-a-bin"/],
        [{ "x-a-bin": `AA,${" ".repeat(1 << 20)}!` }, /"x-a-bin"/],
        [{ "x-a-bin": `AA,${" ".repeat(1 << 20)}A` }, /"x-a-bin"/],
      ] as [HeadersInit, RegExp][]
    ) {
      const { error, mark } = await failure(simple.route({}, { headers }));
      assert.deepEqual([error.code, mark], [Code.Internal, undefined], error.message);
      assert.match(error.message, why);
      assert.doesNotMatch(error.message, /secret/);
    }
    await simple.route({});
  });

  it("or a message that can't be sent fails a balanced call at once, with its own code", async (t) => {
    const address = await serve(t, { route: () => ({}) });
    let attempts = 0;
    const transport = createBalancedTransport({
      resolver: staticResolver([address]),
      connector: grpcConnector({ writeMaxBytes: 100 }),
      onAttempt: () => attempts++,
    });
    t.after(() => transport.close());
    const simple = createClient(Simple, transport);
    await simple.route({});
    const large = await failure(simple.route({ data: "x".repeat(200) }));
    const forbidden = await failure(simple.route({}, { headers: { "x-a": "a\nb" } }));
    assert.deepEqual([large.error.code, forbidden.error.code, attempts], [Code.ResourceExhausted, Code.Internal, 3]);
  });

  for (const [what, interceptors] of interceptorsOfLinks) {
    it(`a unary call through a link ${what} interceptors reports its end to the balancer, once`, async (t) => {
      const address = await serve(t, {
        route({ data }) {
          if (data === "") throw new ConnectError("nothing said", Code.InvalidArgument);
          return { value: data };
        },
      });
      const ends: string[] = [];
      const transport = createBalancedTransport({
        resolver: staticResolver([address]),
        connector: grpcConnector({ interceptors: interceptors }),
        onAttempt: ({ end, code }) => ends.push(`${end} ${code}`),
      });
      t.after(() => transport.close());
      const simple = createClient(Simple, transport);
      assert.equal((await simple.route({ data: "x" })).value, "x");
      assert.equal((await failure(simple.route({}))).error.code, Code.InvalidArgument);
      assert.deepEqual(ends, ["answered undefined", `answered ${Code.InvalidArgument}`]);
      assert.deepEqual(transport.snapshot().endpoints?.map(({ inFlight, picks }) => [inFlight, picks]), [[0, 2]]);
    });
  }

  it("says the time left in whole milliseconds of at most 8 digits", async (t) => {
    const heard: (string | undefined)[] = [];
    const address = await script(t, async (session) => {
      await session.handshake();
      for (;;) {
        const id = await session.wholeRequest();
        const block = new TextDecoder().decode(session.received.filter(({ type }) => type === 1).at(-1)!.payload);
        heard.push(/grpc-timeout.([0-9]+.)/.exec(block)?.[1]);
        session.respond(id, { trailers: [["grpc-status", "5"]] });
      }
    });
    const simple = await connect(t, address);
    for (const timeoutMs of [1_000, 0.9 + 4_000, 99_999_999, 100_000_000, 2 ** 40, 0, -1, undefined]) {
      await failure(simple.route({}, timeoutMs === undefined ? {} : { timeoutMs }));
    }
    const none = undefined;
    assert.deepEqual(heard, ["1000m", "4001m", "99999999m", "100000S", "99999999S", none, none, none]);
  });
});
