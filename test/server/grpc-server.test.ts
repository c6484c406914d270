import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { connect, type ConnectionOptions } from "node:tls";
import { describe, it, type TestContext } from "node:test";
import { createClient, createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node.ts";
import { createGrpcServer, type CreateGrpcServerOptions, createHealth, shutdown } from "../../src/server.ts";
import { direct } from "../support/direct.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import * as tls from "../support/tls.ts";
import { grpcRequest } from "./grpc-request.ts";

/** A server of the demo service. */
function serve(t: TestContext, options: Partial<CreateGrpcServerOptions> = {}) {
  const server = createGrpcServer({
    routes: (router) => router.service(Simple, { route: ({ data }) => ({ value: `hello ${data}` }) }),
    ...options,
  });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  return server;
}

function clientOf(t: TestContext, address: string, options: GrpcConnectorOptions = {}) {
  const { transport, close } = direct(grpcConnector(options), address);
  t.after(() => close(0));
  return createClient(Simple, transport);
}

/** What a peer answers to bytes, until it closes. */
function exchange(port: number, ...bytes: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1", async () => {
      for (const part of bytes) {
        socket.write(part);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });
    socket.on("data", (chunk) => text += chunk);
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

describe("a gRPC server", () => {
  it("listens on a port that the system chooses, and says where", async (t) => {
    const server = serve(t);
    const { address, port } = await server.listen({ host: "127.0.0.1", port: 0 });
    assert.equal(address, `127.0.0.1:${port}`);
    assert.equal((await clientOf(t, address).route({ data: "a" })).value, "hello a");
    assert.equal(server.connections, 1);
  });

  it("listens on a Unix domain socket", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "connect-lb-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const { address, port } = await serve(t).listen({ path: join(folder, "s") });
    assert.deepEqual([address, port], [`unix:${join(folder, "s")}`, 0]);
    assert.equal((await clientOf(t, address).route({ data: "u" })).value, "hello u");
  });

  it("listens in several places at once", async (t) => {
    const server = serve(t);
    const places = await Promise.all([1, 2].map(() => server.listen({ host: "127.0.0.1" })));
    for (const { address } of places) assert.equal((await clientOf(t, address).route({ data: "a" })).value, "hello a");
  });

  it("rejects a port that is in use, and options that can't be", async (t) => {
    const { port } = await serve(t).listen({ host: "127.0.0.1" });
    await assert.rejects(serve(t).listen({ host: "127.0.0.1", port }), /EADDRINUSE|in use/i);
    await assert.rejects(serve(t).listen({ port: 70_000 }), /option port is 70000/);
    for (const where of [{ port: 1 }, { host: "127.0.0.1" }]) {
      await assert.rejects(
        serve(t).listen({ ...where, path: join(tmpdir(), "connect-lb-unused") }),
        /^TypeError: listen\(\) takes a port, with a host or without, or a path$/,
      );
    }
    await assert.rejects(serve(t).listen({ path: "unix:/x" }), /option path is "unix:\/x": .*without "unix:"/);
    assert.throws(
      () => serve(t, { tls: { key: "x" } as never }),
      /^TypeError: option tls\.cert is undefined: expected PEM/,
    );
    assert.throws(() => serve(t, { limits: { maxConcurrentStreams: 0 } }), /limits\.maxConcurrentStreams is 0/);
    assert.throws(() => serve(t, { tls: { cert: "x" } as never }), /tls\.cert/);
    for (const option of [{ port: 1 }, { host: "127.0.0.1" }, { path: "/run/app.sock" }]) {
      assert.throws(
        () => serve(t, option as never),
        /^TypeError: createGrpcServer\(\) has no option "(port|host|path)": listen\(\) takes it, as in await server\.listen/,
      );
    }
  });

  it("refuses routes that are registered later, and context values that are made later", async (t) => {
    const later = async () => {
      await Promise.resolve();
      throw new Error("this came too late");
    };
    for (const options of [{}, { health: true, reflection: true }]) {
      assert.throws(
        () => serve(t, { ...options, routes: later }),
        /^TypeError: option routes returned a promise: services must be registered before it returns/,
      );
    }
    const errors: unknown[] = [];
    const server = serve(t, { contextValues: later as never, onError: (error) => errors.push(error) });
    const { address } = await server.listen({ host: "127.0.0.1" });
    await assert.rejects(clientOf(t, address).route({}), /\[internal\] internal error/);
    assert.match(String(errors), /^TypeError: option contextValues returned a promise/);
  });

  it("serves TLS, and tells handlers of the client and its certificate", async (t) => {
    const seen: unknown[] = [];
    const server = serve(t, {
      tls: { ...tls.server, ca: tls.ca },
      contextValues({ peer }) {
        seen.push([peer.secure, peer.certificate?.subject.CN, /^127\.0\.0\.1:\d+$/.test(peer.address!)]);
        return { get: ({ defaultValue }) => defaultValue, set: () => assert.fail(), delete: () => assert.fail() };
      },
    });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const client = clientOf(t, address, { tls: { ca: tls.ca, ...tls.client } });
    assert.equal((await client.route({ data: "t" })).value, "hello t");
    assert.deepEqual(seen, [[true, "client.simple.test", true]]);
    const stranger = clientOf(t, address, { tls: { ca: tls.ca } });
    await assert.rejects(stranger.route({}), /certificate/);
  });

  it("reads its certificates again each minute, and keeps them if that fails", async (t) => {
    const clock = new ManualClock();
    let used: { cert: string; key: string } | Error = tls.server;
    const source = () => used instanceof Error ? Promise.reject(used) : used;
    const server = serve(t, { clock, tls: source });
    const { port } = await server.listen({ host: "127.0.0.1" });
    const presented = () =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] }, () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        });
        socket.on("error", reject);
      });
    const [first] = [await presented()];
    used = tls.client;
    assert.equal(await presented(), first);
    await clock.advance(60_000);
    assert.equal(await eventually("the other certificate", async () => await presented() !== first), true);
    const errors = t.mock.method(console, "error", () => {});
    used = new Error("no such file");
    await clock.advance(60_000);
    await eventually("the failure is printed", () => errors.mock.callCount() > 0);
    assert.equal(await presented(), "client.simple.test");
    used = tls.server;
    await clock.advance(60_000);
    await eventually("the first certificate", async () => await presented() === first);
  });

  it("serves TLS on a Unix domain socket, where handshakes count as connections, too", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "connect-lb-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "s");
    const seen: unknown[] = [];
    const server = serve(t, {
      tls: { ...tls.server, ca: tls.ca },
      handshakeTimeoutMs: 300,
      limits: { maxConnections: 2 },
      contextValues({ peer }) {
        seen.push([peer.address, peer.secure, peer.certificate?.subject.CN]);
        return createContextValues();
      },
    });
    const { address } = await server.listen({ path });
    const client = () => {
      const connector = grpcConnector({ tls: { ca: tls.ca, ...tls.client } });
      const { transport, close } = direct(connector, { address, authority: "simple.test" });
      t.after(() => close(0));
      return createClient(Simple, transport);
    };
    const first = client();
    assert.equal((await first.route({ data: "u" })).value, "hello u");
    assert.deepEqual(seen, [["unix:", true, "client.simple.test"]]);
    const silent = net.connect(path).on("error", () => {});
    await new Promise((resolve) => silent.on("connect", resolve));
    await assert.rejects(client().route({}), /\[unavailable\]/);
    await new Promise((resolve) => silent.on("close", resolve));
    await eventually("there is room again", () => client().route({ data: "b" }).then(() => true, () => false));
    assert.equal(server.connections, 2);
    assert.equal((await first.route({ data: "c" })).value, "hello c");
    assert.equal(await shutdown(server, { drainMs: 30_000 }), true);
  });

  it("gives TLS handshakes as much time as it is told to, without end, too", async (t) => {
    for (const handshakeTimeoutMs of [Infinity, 2 ** 31]) {
      const { address } = await serve(t, { handshakeTimeoutMs, tls: tls.server }).listen({ host: "127.0.0.1" });
      assert.equal((await clientOf(t, address, { tls: { ca: tls.ca } }).route({ data: "t" })).value, "hello t");
    }
  });

  it("serves clients without a certificate if they may have none", async (t) => {
    const server = serve(t, { tls: { ...tls.server, ca: tls.ca, rejectUnauthorized: false } });
    const { address } = await server.listen({ host: "127.0.0.1" });
    assert.equal((await clientOf(t, address, { tls: { ca: tls.ca } }).route({ data: "t" })).value, "hello t");
  });

  it("speaks HTTP/1.1 with TLS, too", async (t) => {
    const { port } = await serve(t, { tls: tls.server }).listen({ host: "127.0.0.1" });
    const text = await new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", servername: "simple.test", port, ca: tls.ca, agent: false, path: "/x" };
      https.get(options, (response) => {
        let body = "";
        response.on("data", (chunk) => body += chunk);
        response.on("end", () => resolve(`${response.statusCode} ${body}`));
      }).on("error", reject);
    });
    assert.match(String(text), /^404 GET \/x: there is no such method/);
  });

  it("speaks HTTP/1.1 on the same port, for Connect's clients", async (t) => {
    const { port } = await serve(t).listen({ host: "127.0.0.1" });
    const call = { method: "POST", headers: { "content-type": "application/json" }, body: '{"data":"h"}' };
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`http://127.0.0.1:${port}/proto.Simple/Route`, call);
      assert.deepEqual(await response.json(), { value: "hello h" });
    }
    const grpc = await fetch(`http://127.0.0.1:${port}/proto.Simple/Route`, {
      method: "POST",
      headers: { "content-type": "application/grpc" },
      body: "",
    });
    assert.equal(grpc.status, 505);
    assert.match(await grpc.text(), /gRPC needs HTTP\/2/);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404);
  });

  it("knows what a client speaks however its first bytes arrive", async (t) => {
    const { port } = await serve(t).listen({ host: "127.0.0.1" });
    const [head, rest] = ["GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"];
    assert.match(await exchange(port, ...head.slice(0, 4), head.slice(4)), /^HTTP\/1\.1 404/);
    assert.match(await exchange(port, ...rest.slice(0, 4), rest.slice(4)), /the client doesn't begin with HTTP\/2's/);
  });

  it("closes connections on which nothing arrives in time", async (t) => {
    const server = serve(t, { handshakeTimeoutMs: 100 });
    const { port } = await server.listen({ host: "127.0.0.1" });
    assert.equal(await exchange(port), "");
    assert.equal(await exchange(port, "P"), "");
    const secure = serve(t, { handshakeTimeoutMs: 100, tls: tls.server });
    assert.equal(await exchange((await secure.listen({ host: "127.0.0.1" })).port), "");
  });

  it("survives clients that reset their connections at any time", async (t) => {
    for (const options of [{}, { tls: tls.server }]) {
      const server = serve(t, options);
      const { port } = await server.listen({ host: "127.0.0.1" });
      for (const protocols of [["h2"], ["http/1.1"], undefined]) {
        for (const bytes of ["", "P", "PRI * HT", "GET / HTTP/1.1\r\n"]) {
          await new Promise<void>((resolve) => {
            const raw = net.connect(port, "127.0.0.1");
            const reset = () => raw.resetAndDestroy();
            raw.on("close", () => resolve()).on("error", () => {});
            if (!("tls" in options)) {
              raw.on("connect", () => raw.write(bytes, reset));
              return;
            }
            const ALPN = protocols === undefined ? {} : { ALPNProtocols: protocols };
            const secure = connect({ socket: raw, ca: tls.ca, servername: "simple.test", ...ALPN });
            secure.on("error", () => {}).on("secureConnect", () => bytes === "" ? reset() : secure.write(bytes, reset));
          });
        }
      }
      await eventually("they are all gone", () => server.connections === 0);
      const { address } = await server.listen({ host: "127.0.0.1" });
      const client = clientOf(t, address, "tls" in options ? { tls: { ca: tls.ca } } : {});
      assert.equal((await client.route({ data: "still" })).value, "hello still");
    }
  });

  it("closes connections beyond maxConnections at once", async (t) => {
    const server = serve(t, { limits: { maxConnections: 1 } });
    const { address, port } = await server.listen({ host: "127.0.0.1" });
    await clientOf(t, address).route({});
    assert.equal(await exchange(port).catch(() => ""), "");
    assert.equal(server.connections, 1);
  });

  it("closes connections beyond maxConnections at once with TLS, too, whatever state the others are in", async (t) => {
    const server = serve(t, { handshakeTimeoutMs: 300, limits: { maxConnections: 2 }, tls: tls.server });
    const { address, port } = await server.listen({ host: "127.0.0.1" });
    const first = clientOf(t, address, { tls: { ca: tls.ca } });
    await first.route({});
    // One that is in its handshake counts.
    const shaking = net.connect(port, "127.0.0.1").on("error", () => {});
    await new Promise((resolve) => shaking.on("connect", resolve));
    assert.equal(await exchange(port).catch(() => ""), "");
    await assert.rejects(clientOf(t, address, { tls: { ca: tls.ca } }).route({}), /\[unavailable\]/);
    assert.equal(server.connections, 1);
    await eventually("there is room again", async () => {
      const { value } = await clientOf(t, address, { tls: { ca: tls.ca } }).route({ data: "b" }).catch(() => ({
        value: "",
      }));
      return value === "hello b";
    });
    assert.equal(server.connections, 2);
    assert.equal((await first.route({ data: "a" })).value, "hello a");
  });

  it("keeps no place for a client that leaves during TLS's handshake", async (t) => {
    const server = serve(t, { handshakeTimeoutMs: 600_000, limits: { maxConnections: 1 }, tls: tls.server });
    const { address, port } = await server.listen({ host: "127.0.0.1" });
    for (const hello of [[], [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]]) {
      for (const leave of ["end", "resetAndDestroy"] as const) {
        const shaking = net.connect(port, "127.0.0.1").on("error", () => {}).resume();
        await new Promise((resolve) => shaking.on("connect", resolve));
        if (hello.length > 0) await new Promise((resolve) => shaking.write(new Uint8Array(hello), resolve));
        shaking[leave]();
        await eventually("there is room again", async () => {
          const client = clientOf(t, address, { tls: { ca: tls.ca } });
          return (await client.route({ data: "a" }).catch(() => undefined))?.value === "hello a";
        });
        server.closeAllConnections();
        await eventually("the place is free", () => server.connections === 0);
      }
    }
  });

  it("answers a client that half-closes before it does, over TLS, too", async (t) => {
    for (const options of [{}, { tls: tls.server }]) {
      const closing = Promise.withResolvers<void>();
      const routes: CreateGrpcServerOptions["routes"] = (router) => {
        router.service(Simple, {
          async route({ data }) {
            if (data !== "b") await closing.promise;
            return { value: `hello ${data}` };
          },
        });
      };
      const { address, port } = await serve(t, { ...options, routes }).listen({ host: "127.0.0.1" });
      const secure: ConnectionOptions = { port, host: "127.0.0.1", ca: tls.ca, ALPNProtocols: ["h2"] };
      const socket = "tls" in options ? connect(secure) : net.connect(port, "127.0.0.1");
      t.after(() => void socket.destroy());
      socket.allowHalfOpen = true;
      let bytes = "";
      socket.on("data", (chunk) => bytes += chunk.toString("latin1"));
      await new Promise<void>((resolve) => socket.end(grpcRequest("/proto.Simple/Route"), resolve));
      // Whose end arrives later than the other's.
      const other = clientOf(t, address, "tls" in options ? { tls: { ca: tls.ca } } : {});
      for (let i = 0; i < 10; i++) await other.route({ data: "b" });
      closing.resolve();
      await eventually("it is answered", () => bytes.includes("hello "));
    }
  });

  it("fails a request beyond what it holds of unfinished ones, and one that doesn't arrive in time", async (t) => {
    const server = serve(t, { limits: { maxBufferedBytes: 50_000 }, requestTimeoutMs: 100 });
    const { address, port } = await server.listen({ host: "127.0.0.1" });
    await assert.rejects(clientOf(t, address).route({ data: "x".repeat(100_000) }), /\[resource_exhausted\]/);
    const socket = net.connect(port, "127.0.0.1");
    let bytes = "";
    socket.on("data", (chunk) => bytes += chunk.toString("latin1"));
    socket.write(grpcRequest("/proto.Simple/Route", { end: false }));
    await eventually("the request has failed", () => bytes.includes("request did not arrive in time"));
    socket.destroy();
  });

  it("serves a connection over any duplex stream", async (t) => {
    const [ours, theirs] = duplexPair();
    serve(t).serveConnection(theirs);
    assert.equal((await clientOf(t, "memory:1", { dial: () => ours }).route({ data: "d" })).value, "hello d");
  });

  it("refuses to serve what is no stream", (t) => {
    const server = serve(t);
    for (const stream of [undefined, null, {}, "socket", { start() {} }, { write() {}, end() {}, destroy() {} }]) {
      assert.throws(
        () => server.serveConnection(stream as never),
        /^TypeError: serveConnection\(\) takes a byte stream, or a duplex stream of node:stream such as a socket, not /,
      );
    }
    assert.equal(server.connections, 0);
  });

  it("is closed by the end of a block that uses it", async (t) => {
    const server = serve(t);
    const { address, port } = await server.listen({ host: "127.0.0.1" });
    assert.equal((await clientOf(t, address).route({ data: "a" })).value, "hello a");
    await server[Symbol.asyncDispose]();
    assert.equal(server.connections, 0);
    await assert.rejects(exchange(port), /ECONNREFUSED/);
  });

  it("answers a client that ended its side behind its request", async (t) => {
    const { address } = await serve(t, {
      routes: (router) =>
        router.service(Simple, {
          async route() {
            await new Promise((resolve) => setTimeout(resolve, 20));
            return { value: "late" };
          },
        }),
    }).listen({ host: "127.0.0.1" });
    const socket = net.connect({ port: Number(address.split(":")[1]), host: "127.0.0.1", allowHalfOpen: true });
    let bytes = "";
    socket.on("data", (chunk) => bytes += chunk.toString("latin1"));
    socket.end(grpcRequest("/proto.Simple/Route"));
    await new Promise((resolve) => socket.on("close", resolve));
    assert.match(bytes, /late/);
    assert.match(bytes, /grpc-status/);
  });
});

describe("a gRPC server that shuts down", () => {
  const finishing = (secure: boolean) => async (t: TestContext) => {
    let answer: (() => void) | undefined;
    const server = serve(t, {
      ...(secure ? { tls: tls.server } : {}),
      health: createHealth(),
      routes: (router) =>
        router.service(Simple, {
          route: () => new Promise((resolve) => answer = () => resolve({ value: "done" })),
        }),
    });
    const { address, port } = await server.listen({ host: "127.0.0.1" });
    const call = clientOf(t, address, secure ? { tls: { ca: tls.ca } } : {}).route({});
    await eventually("the handler runs", () => answer);
    const down = shutdown(server);
    await assert.rejects(exchange(port), /ECONNREFUSED/);
    answer!();
    assert.equal((await call).value, "done");
    assert.equal(await down, true);
    assert.equal(server.connections, 0);
    await assert.rejects(server.listen({ host: "127.0.0.1" }), /the server is closed/);
  };
  it("lets calls in flight finish, refuses new connections, and resolves once all is done", finishing(false));
  it("lets calls over TLS finish, too", finishing(true));

  it("leaves connections behind that have not become one of HTTP/2", async (t) => {
    for (const options of [{}, { tls: tls.server }]) {
      const server = serve(t, options);
      const { port } = await server.listen({ host: "127.0.0.1" });
      const silent = exchange(port, "");
      // A socket that was opened later has come and gone.
      await exchange(port, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").catch(() => {});
      assert.equal(await shutdown(server), true);
      assert.equal(await silent.catch(() => ""), "");
    }
  });

  it("ends what is left when its time has passed", async (t) => {
    let ended = false;
    const server = serve(t, {
      routes: (router) =>
        router.service(Simple, {
          async *routeServerStream(_, { signal }) {
            yield { value: "first" };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            ended = true;
          },
        }),
    });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const stream = clientOf(t, address).routeServerStream({})[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value.value, "first");
    assert.equal(await shutdown(server, { drainMs: 50 }), false);
    await assert.rejects(stream.next());
    await eventually("the handler's signal aborted", () => ended);
    await eventually("the connection ended", () => server.connections === 0);
  });
});
