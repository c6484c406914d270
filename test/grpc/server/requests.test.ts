// Good and bad requests, as they look on HTTP/2.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple, SimpleRequestSchema, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { deflate, gzip } from "../../../src/grpc/compression.ts";
import { rawMethod } from "../../../src/raw-method.ts";
import { type Answer, type Ask, asking, envelope } from "./http.ts";
import type { Methods } from "./pair.ts";

const GRPC = { "content-type": "application/grpc", te: "trailers" };
const request = (data: string) => toBinary(SimpleRequestSchema, create(SimpleRequestSchema, { data }));
const BODY = [envelope(request("a"))];

const METHODS: Methods = {
  route: ({ data }) => ({ value: data }),
  async *routeServerStream({ data }) {
    yield { value: data };
  },
};

function server(t: TestContext, methods: Methods = METHODS): (ask: Ask) => Promise<Answer> {
  return asking(t, { routes: (router) => router.service(Simple, methods) });
}

function message({ body }: Answer): string {
  return fromBinary(SimpleResponseSchema, body.subarray(5)).value;
}

/** The status of a response that is nothing else. */
function alone(answer: Answer): [code: number, message: string] {
  assert.equal(answer.status, 200);
  assert.equal(answer.trailers, undefined);
  assert.equal(answer.body.length, 0);
  assert.match(answer.head["content-type"]!, /^application\/grpc/);
  return [Number(answer.head["grpc-status"]), decodeURIComponent(answer.head["grpc-message"]!)];
}

describe("a gRPC server's answer to a request", () => {
  it("has a header section, a message and trailers", async (t) => {
    const answer = await server(t)({ headers: GRPC, body: BODY });
    assert.deepEqual(answer.head, { "content-type": "application/grpc+proto" });
    assert.equal(message(answer), "a");
    assert.deepEqual(answer.trailers, { "grpc-status": "0" });
  });

  it("is the same however its message is cut", async (t) => {
    const ask = server(t);
    const [whole] = BODY;
    for (let at = 1; at < whole!.length; at++) {
      assert.equal(message(await ask({ headers: GRPC, body: [whole!.subarray(0, at), whole!.subarray(at)] })), "a");
    }
    assert.equal(message(await ask({ headers: GRPC, body: [...whole!].map((byte) => Uint8Array.of(byte)) })), "a");
  });

  for (const type of ["application/grpc+proto", "application/grpc;charset=utf-8", "APPLICATION/GRPC+Proto; x=y"]) {
    it(`is gRPC's for ${type}`, async (t) => {
      assert.equal(message(await server(t)({ headers: { ...GRPC, "content-type": type }, body: BODY })), "a");
    });
  }

  it("is JSON if the request is", async (t) => {
    const ask = server(t);
    const json = (text: string) =>
      ask({
        headers: { "content-type": "application/grpc+json" },
        body: [envelope(new TextEncoder().encode(text))],
      });
    const answer = await json(`{"data":"a","unknown":1}`);
    assert.equal(answer.head["content-type"], "application/grpc+json");
    assert.equal(answer.text.slice(5), `{"value":"a"}`);
    const [code, text] = alone(await json("{"));
    assert.equal(code, Code.InvalidArgument);
    assert.match(text, /JSON/);
  });

  for (const compression of [gzip, deflate]) {
    it(`is compressed with ${compression.name} if the request names it and it is worth it`, async (t) => {
      const ask = server(t);
      const ofSize = async (bytes: number, flags = 1) => {
        const plain = request("x".repeat(bytes)) as Uint8Array<ArrayBuffer>;
        const body = [envelope(flags === 1 ? await compression.compress(plain) : plain, flags)];
        return await ask({ headers: { ...GRPC, "grpc-encoding": compression.name }, body });
      };
      const small = await ofSize(100);
      assert.equal(small.body[0], 0);
      assert.equal(message(small).length, 100);
      const large = await ofSize(2_000);
      assert.equal(large.head["grpc-encoding"], compression.name);
      assert.equal(large.body[0], 1);
      assert.ok(large.body.length < 200);
      const inflated = await compression.decompress(large.body.slice(5), 1e6);
      assert.equal(fromBinary(SimpleResponseSchema, inflated).value.length, 2_000);
      assert.equal((await ofSize(2_000, 0)).body[0], 1);
    });
  }

  it("is not compressed just because the client would accept it", async (t) => {
    const headers = { ...GRPC, "grpc-accept-encoding": "gzip,deflate" };
    const answer = await server(t)({ headers, body: [envelope(request("x".repeat(2_000)))] });
    assert.equal(answer.body[0], 0);
    assert.equal(answer.head["grpc-encoding"], undefined);
  });

  it("says which compressions there are, to a request with another", async (t) => {
    const answer = await server(t)({ headers: { ...GRPC, "grpc-encoding": "br" }, body: BODY });
    const text = 'unknown compression "br": supported encodings are gzip,deflate';
    assert.deepEqual(alone(answer), [Code.Unimplemented, text]);
    assert.equal(answer.head["grpc-accept-encoding"], "gzip,deflate");
  });

  const long = request("x".repeat(50));
  for (
    const [what, ask, code, text] of [
      ["no message", {}, Code.Unimplemented, /missing input message for unary method/],
      ["two messages", { body: [...BODY, ...BODY] }, Code.Unimplemented, /extra input message for unary method/],
      ["a message without its end", { body: [envelope(long).subarray(0, 20)] }, Code.InvalidArgument, /incomplete/],
      ["a part of a prefix", { body: [Uint8Array.of(0, 0)] }, Code.InvalidArgument, /incomplete envelope/],
      ["a message that is too large", { body: [Uint8Array.of(0, 0, 64, 0, 1)] }, Code.ResourceExhausted, /4194305/],
      ["bytes that are no message", { body: [envelope(Uint8Array.of(0xff))] }, Code.Internal, /parse binary/],
      ["a compressed message without encoding", { body: [envelope(long, 1)] }, Code.Internal, /how to decompress/],
      [
        "a message that is not gzip",
        { headers: { ...GRPC, "grpc-encoding": "gzip" }, body: [envelope(long, 1)] },
        Code.InvalidArgument,
        /decompression failed/,
      ],
      [
        "an invalid timeout",
        { headers: { ...GRPC, "grpc-timeout": "5" }, body: BODY },
        Code.InvalidArgument,
        /timeout/,
      ],
      ["a timeout of 0", { headers: { ...GRPC, "grpc-timeout": "0m" } }, Code.DeadlineExceeded, /timed out/],
    ] as const
  ) {
    it(`is an error for ${what}`, async (t) => {
      let ran = false;
      const route = () => {
        ran = true;
        return {};
      };
      const answer = await server(t, { route })({ headers: GRPC, ...ask });
      const [got, why] = alone(answer);
      assert.equal(got, code);
      assert.match(why, text);
      assert.equal(ran, false);
    });
  }

  for (const path of ["/proto.Simple/Other", "/none.Such/Route", "/"]) {
    it(`is UNIMPLEMENTED for ${path}`, async (t) => {
      const [code, text] = alone(await server(t)({ path, headers: GRPC, body: BODY }));
      assert.equal(code, Code.Unimplemented);
      assert.ok(text.includes(path));
    });
  }

  it("ignores a query", async (t) => {
    assert.equal(message(await server(t)({ path: "/proto.Simple/Route?x=1", headers: GRPC, body: BODY })), "a");
  });

  it("is an HTTP error with an explanation for what is not gRPC", async (t) => {
    const ask = server(t);
    const root = await ask({ method: "GET", path: "/" });
    assert.equal(root.status, 404);
    assert.match(root.text, /^GET \/: there is no such method\. This server speaks gRPC, gRPC-Web and Connect\.\n$/);
    assert.equal(root.head["content-length"], String(root.body.length));
    assert.equal((await ask({ headers: { "content-type": "text/plain" }, body: BODY })).status, 415);
    assert.equal((await ask({ headers: { "content-type": "application/grpc+thrift" }, body: BODY })).status, 415);
    const get = await ask({ method: "GET", headers: GRPC });
    assert.deepEqual([get.status, get.head["allow"]], [405, "POST"]);
  });

  it("has a status that the client can read, however long its message", async (t) => {
    const text = "ż".repeat(100_000);
    const [code, shown] = alone(
      await server(t, {
        route() {
          throw new ConnectError(text, Code.Aborted);
        },
      })({ headers: GRPC, body: BODY }),
    );
    assert.equal(code, Code.Aborted);
    assert.ok(shown.length > 1_000 && text.startsWith(shown));
    const [, lone] = alone(
      await server(t, {
        route() {
          throw new ConnectError("a\ud800b", Code.Aborted);
        },
      })({ headers: GRPC, body: BODY }),
    );
    assert.equal(lone, "a\ufffdb");
    const [, spaces] = alone(
      await server(t, {
        route() {
          throw new ConnectError(`${" ".repeat(1_000_000)}%`, Code.Aborted);
        },
      })({ headers: GRPC, body: BODY }),
    );
    assert.equal(spaces.trim(), "");
  });

  it("fails if its own fields are more than the client accepts, or can't be sent", async (t) => {
    const failing = async (set: (headers: Headers) => void) =>
      alone(
        await server(t, {
          route(_, { responseTrailer }) {
            set(responseTrailer);
            return {};
          },
        })({ headers: GRPC, body: BODY }),
      );
    assert.equal((await failing((headers) => headers.set("x", "x".repeat(200_000))))[0], Code.ResourceExhausted);
    const [code, text] = await failing((headers) => headers.set("x-bin", "not base64!"));
    assert.equal(code, Code.Internal);
    assert.match(text, /x-bin.* is not base64/);
  });

  it("sends nothing that is the server's own to say", async (t) => {
    const answer = await server(t, {
      route(_, { responseHeader, responseTrailer }) {
        for (const headers of [responseHeader, responseTrailer]) {
          headers.set("grpc-status", "5");
          headers.set("grpc-encoding", "gzip");
          headers.set("content-length", "1");
          headers.set("connection", "close");
          headers.set("x-own", "yes");
        }
        return { value: "a" };
      },
    })({ headers: GRPC, body: BODY });
    assert.deepEqual(answer.head, { "content-type": "application/grpc+proto", "x-own": "yes" });
    assert.deepEqual(answer.trailers, { "grpc-status": "0", "x-own": "yes" });
    assert.equal(message(answer), "a");
  });

  it("carries the bytes of a method without a schema", async (t) => {
    const ask = asking(t, {
      routes: (router) => router.rpc(rawMethod("/raw.Echo/Call", "unary"), ({ value }) => ({ value })),
    });
    const answer = await ask({ path: "/raw.Echo/Call", headers: GRPC, body: [envelope(Uint8Array.of(1, 2, 3))] });
    assert.deepEqual([...answer.body.subarray(5)], [1, 2, 3]);
  });
});
