import assert from "node:assert/strict";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { Http2Connection } from "../../src/http2/client/connection.ts";
import { HeaderTemplate } from "../../src/http2/wire/hpack-encoder.ts";
import { destinationOf } from "../../src/node/socket.ts";
import { TestStream } from "./memory.ts";

type Answer = (stream: ServerHttp2Stream, headers: Record<string, string>) => void;

/** A connection of ours to a server of the runtime's own. */
async function connected(t: TestContext, answer: Answer): Promise<Http2Connection> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    answer(stream as ServerHttp2Stream, headers as Record<string, string>);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const bytes = await destinationOf({ address: `127.0.0.1:${port}` }, undefined).open(AbortSignal.timeout(10_000));
  const connection = await new Promise<Http2Connection>((resolve, reject) => {
    const connection = new Http2Connection(bytes, { ready: () => resolve(connection), lost: reject });
  });
  t.after(async () => {
    connection.close(0, 0);
    await new Promise((resolve) => server.close(resolve));
  });
  return connection;
}

/** A stream that settles a promise at its end. */
class Exchange extends TestStream {
  readonly ended: Promise<this>;
  #settle!: () => void;

  constructor(connection: Http2Connection, template: HeaderTemplate, extra: string[], body = new Uint8Array(0)) {
    super();
    this.ended = new Promise((resolve) => this.#settle = () => resolve(this));
    this.open(connection, template, extra);
    this.write(new Uint8Array(0), body, true);
  }
  override onEnd(trailers: Parameters<TestStream["onEnd"]>[0]): void {
    super.onEnd(trailers);
    this.#settle();
  }
  override onFailed(error: Parameters<TestStream["onFailed"]>[0]): void {
    super.onFailed(error);
    this.#settle();
  }
}

const PSEUDO = [":method", "POST", ":scheme", "http", ":path", "/x", ":authority", "example.test"];
// Names that mean nothing to HTTP, and each at most once: a server joins or drops others.
const name = fc.stringMatching(/^x-[a-z0-9-]{1,20}$/);
const value = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
  maxLength: 50,
});
const fields = fc.uniqueArray(fc.tuple(name, value), { maxLength: 10, selector: ([name]) => name });

describe("our HTTP/2 and the runtime's", () => {
  it("understand each other's headers and trailers, call after call on one connection", async (t) => {
    const connection = await connected(t, (stream, headers) => {
      const own = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-")));
      stream.respond({ ":status": 200, ...own }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": String(Object.keys(own).length), ...own }));
      stream.end();
    });
    const templates = new Map<string, HeaderTemplate>();
    await fc.assert(
      fc.asyncProperty(fields, fields, async (constant, varying) => {
        const taken = new Set(constant.map(([name]) => name));
        const extra = varying.filter(([name]) => !taken.has(name));
        const key = JSON.stringify(constant);
        if (!templates.has(key)) templates.set(key, new HeaderTemplate([...PSEUDO, ...constant.flat()]));
        const { head, trailers, error } = await new Exchange(connection, templates.get(key)!, extra.flat()).ended;
        assert.equal(error, undefined);
        for (const [name, value] of [...constant, ...extra]) {
          assert.equal(head?.get(name), value);
          assert.equal(trailers?.get(name), value);
        }
        assert.equal(trailers?.get("x-end"), String(constant.length + extra.length));
      }),
      { numRuns: 200 },
    );
  });

  it("agree on the Huffman code of every octet that a field may hold", async (t) => {
    const octets = Array.from({ length: 0x100 }, (_, i) => i).filter((octet) => octet > 0x20 && octet !== 0x7f);
    const all = String.fromCharCode(...octets);
    const connection = await connected(t, (stream) => {
      stream.respond({ ":status": 200, "x-all": all, "x-each": all.split("").reverse().join("") });
      stream.end();
    });
    const { head } = await new Exchange(connection, new HeaderTemplate(PSEUDO), []).ended;
    assert.equal(head?.get("x-all"), all);
    assert.equal(head?.get("x-each"), all.split("").reverse().join(""));
  });

  it("carry 5 MiB each way on 4 streams at once", async (t) => {
    const connection = await connected(t, (stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    const body = Uint8Array.from({ length: 5 << 20 }, (_, i) => (i * 31) >> 3);
    const template = new HeaderTemplate(PSEUDO);
    const all = await Promise.all([0, 1, 2, 3].map(() => new Exchange(connection, template, [], body).ended));
    for (const { received, error } of all) {
      assert.equal(error, undefined);
      assert.ok(Buffer.concat(received).equals(body));
    }
  });
});
