import assert from "node:assert/strict";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { isNoted } from "../../src/connection/note.ts";
import { type DialTarget, grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { failure } from "../grpc/link.ts";
import { eventually } from "../support/eventually.ts";
import { startSimpleServer } from "../support/servers/simple.ts";
import * as tls from "../support/tls.ts";

/** A duplex stream that is no socket, as libraries for tunnels have them, over a socket. */
class Tunnel extends Duplex {
  /** What the next writes call back with; the stream itself says nothing of it. */
  refuse: Error | undefined;
  readonly #socket;

  constructor(port: number) {
    super();
    const socket = this.#socket = connect({ host: "127.0.0.1", port });
    socket.on("data", (chunk) => this.push(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
  }
  override _read() {}
  override _write(chunk: Uint8Array, _: string, done: (error?: Error | null) => void) {
    this.#socket.write(chunk, done);
  }
  override _final(done: () => void) {
    this.#socket.end(done);
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void) {
    this.#socket.destroy();
    done(error);
  }
  // workerd's sockets are like this when another request uses them.
  override write(chunk: Uint8Array, ...rest: unknown[]): boolean {
    if (this.refuse === undefined) return super.write(chunk, ...rest as []);
    const callback = rest.at(-1);
    queueMicrotask(() => typeof callback === "function" && callback(this.refuse));
    return true;
  }
}

function link(t: TestContext, address: string, options: GrpcConnectorOptions) {
  const told: string[] = [];
  const link = grpcConnector({ keepalive: false, ...options })({ address }, {
    draining: () => told.push("draining"),
    lost: (cause) => told.push(`lost: ${cause?.message}`),
  });
  t.after(() => link.close());
  return {
    link,
    told,
    simple: createClient(Simple, link.transport),
    connect: async () => await link.connect?.(AbortSignal.timeout(10_000)),
  };
}

async function server(t: TestContext, secure = false) {
  const server = await startSimpleServer({
    ...(secure ? { tls: tls.server } : {}),
    methods: { route: ({ data }) => data === "wait" ? new Promise(() => {}) : { code: 200, value: `hello ${data}` } },
  });
  t.after(() => server.close());
  return server;
}

describe("a connection that the user dials", () => {
  for (const secure of [false, true]) {
    it(`carries calls over any duplex stream, ${secure ? "with TLS inside" : "in plaintext"}`, async (t) => {
      const { port } = await server(t, secure);
      const targets: DialTarget[] = [];
      const { connect, link: opened, simple } = link(t, "simple.test:443", {
        dial: (target) => (targets.push(target), new Tunnel(port)),
        tls: secure ? { ca: tls.ca } : undefined,
      });
      await connect();
      assert.equal((await simple.route({ data: "x".repeat(200_000) })).value, `hello ${"x".repeat(200_000)}`);
      const [target, ...more] = targets;
      assert.deepEqual([target!.host, target!.port, target!.endpoint.address, more], [
        "simple.test",
        443,
        "simple.test:443",
        [],
      ]);
      await opened.close();
    });
  }

  it("may be put together of something to read and something to write", async (t) => {
    const { port } = await server(t);
    const { connect: open, link: opened, simple } = link(t, "a.test:1", {
      dial: () => {
        const socket = connect({ host: "127.0.0.1", port });
        return Duplex.from({ readable: socket, writable: socket } as never);
      },
    });
    await open();
    assert.equal((await simple.route({ data: "x".repeat(200_000) })).value, `hello ${"x".repeat(200_000)}`);
    await opened.close();
  });

  it("may be a promise, and undefined for what is dialled as usual; unix: has a path", async (t) => {
    const { port, address } = await server(t);
    const dial = async ({ host, path }: DialTarget) => {
      await Promise.resolve();
      return host === "127.0.0.1"
        ? undefined
        : path === "/no/such/path"
        ? new Tunnel(port)
        : Promise.reject(new Error("no"));
    };
    for (const each of [address, "unix:/no/such/path"]) {
      const { connect, simple } = link(t, each, { dial });
      await connect();
      assert.equal((await simple.route({ data: "x" })).value, "hello x");
    }
    await assert.rejects(link(t, "other.test:1", { dial }).connect(), /can't connect to other\.test:1: no$/);
  });

  it("is refused if it is not a duplex stream", async (t) => {
    const { connect } = link(t, "a.test:1", { dial: () => ({}) as never });
    await assert.rejects(connect(), /option dial returned \[object Object\]: expected an open duplex stream/);
  });

  it("is closed when it comes after it was given up", async (t) => {
    const { port } = await server(t);
    const tunnel = new Tunnel(port);
    let come!: () => void, signal!: AbortSignal;
    const late = new Promise<Tunnel>((resolve) => come = () => resolve(tunnel));
    const { connect, link: opening } = link(t, "a.test:1", {
      dial: (_, aborted) => (signal = aborted, late),
    });
    const refused = assert.rejects(connect(), /the link was closed/);
    await eventually("it is dialled", () => signal !== undefined);
    await opening.close();
    await refused;
    assert.equal(signal.aborted, true);
    come();
    await eventually("it is closed", () => tunnel.destroyed);
  });

  it("is destroyed with its link, also under TLS", async (t) => {
    for (const secure of [false, true]) {
      const { port } = await server(t, secure);
      const tunnel = new Tunnel(port);
      const { connect, link: opened } = link(t, "simple.test:1", {
        dial: () => tunnel,
        tls: secure ? { ca: tls.ca } : undefined,
      });
      await connect();
      await opened.close();
      await eventually("it is destroyed", () => tunnel.destroyed);
    }
  });

  it("is destroyed when TLS can't begin on it", async (t) => {
    const { port } = await server(t, true);
    const tunnel = new Tunnel(port);
    const broken = "-----BEGIN NOTHING-----";
    const { connect } = link(t, "simple.test:1", { dial: () => tunnel, tls: { cert: broken, key: broken } });
    await assert.rejects(connect(), /can't connect to simple\.test:1: /);
    await eventually("it is destroyed", () => tunnel.destroyed);
  });

  it("is lost when a write calls back with an error, although the stream says nothing", async (t) => {
    const { port } = await server(t);
    const tunnel = new Tunnel(port);
    const { connect, simple, told } = link(t, "a.test:1", { dial: () => tunnel });
    await connect();
    tunnel.refuse = new Error("the cable is cut");
    const { error } = await failure(simple.route({ data: "x" }));
    assert.equal(error.code, Code.Unavailable);
    assert.deepEqual(told, ["lost: the cable is cut"]);
  });

  it("of another request of a Worker fails its calls without retries, and says what to do", async (t) => {
    const { port } = await server(t);
    const tunnel = new Tunnel(port);
    const { connect, simple } = link(t, "a.test:1", { dial: () => tunnel });
    await connect();
    tunnel.refuse = new Error("Cannot perform I/O on behalf of a different request. I/O objects (such as streams …");
    const { error } = await failure(simple.route({ data: "x" }));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(
      error.message,
      /belongs to another request: use createWorkerTransport with forRequest.*Durable Object/,
    );
    assert.ok(isNoted(error, "final"));
  });

  it("is lost when it can't be written to any more, although the stream says nothing", async (t) => {
    const { port } = await server(t);
    const tunnel = new Tunnel(port);
    const { connect, simple, told } = link(t, "a.test:1", { dial: () => tunnel });
    await connect();
    const waiting = failure(simple.route({ data: "wait" }));
    Object.defineProperty(tunnel, "writable", { value: false });
    await failure(simple.route({ data: "x" }));
    assert.match((await waiting).error.message, /the connection was lost: the socket is no longer writable/);
    assert.deepEqual(told, ["lost: the socket is no longer writable"]);
  });

  it("that was destroyed before it was given is no connection", async (t) => {
    const { port } = await server(t);
    const tunnel = new Tunnel(port);
    tunnel.on("error", () => {}).destroy(new Error("broken before"));
    await eventually("it is closed", () => tunnel.closed);
    const { connect } = link(t, "a.test:1", { dial: () => tunnel });
    await assert.rejects(connect(), /can't connect to a\.test:1: broken before/);
  });
});
