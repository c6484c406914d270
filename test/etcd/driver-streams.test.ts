// How many streams a registry takes of a connection to etcd, and for how long, over each driver.
import assert from "node:assert/strict";
import { createServer, type ServerHttp2Session } from "node:http2";
import { afterEach, describe, it } from "node:test";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { KV, Lease } from "../../gen/etcd/rpc_pb.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { eventually } from "../support/eventually.ts";
import { bytes, http2Kinds, onEndpoint } from "./drivers.ts";
import { consume } from "./scripted.ts";

interface Path {
  readonly address: string;
  /** How many streams are open, and were at most. */
  readonly streams: { open: number; most: number };
}

const opened: (() => unknown)[] = [];

/** Serves routes to connections that may have some streams at once, as proxies and etcd's own option allow. */
async function serve(routes: (router: ConnectRouter) => void, maxConcurrentStreams: number): Promise<Path> {
  const streams = { open: 0, most: 0 };
  const server = createServer({ settings: { maxConcurrentStreams } }, connectNodeAdapter({ routes }));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream) => {
    streams.most = Math.max(streams.most, ++streams.open);
    stream.on("close", () => void streams.open--);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, streams };
}

for (const { name, create } of http2Kinds) {
  describe(`streams of ${name}`, () => {
    afterEach(async () => {
      for (const close of opened.splice(0).reverse()) await close();
    });

    it("60 services are watched where a connection may have 10 streams, and nothing waits for it", async () => {
      const etcd = createMemoryEtcd();
      const { address, streams } = await serve(etcd.routes, 10);
      const registry = createRegistryOver(create, { endpoints: [address] });
      opened.push(() => etcd.close(), () => registry.close());
      const services = Array.from({ length: 60 }, (_, i) => `service${i}`);
      const consumers = services.map((service) => consume(registry.resolver(service)));
      await eventually("all are known", () => consumers.every(({ now }) => now !== undefined));
      const registrations = services.map((service, i) =>
        registry.register({ service, address: `10.0.0.1:${8000 + i}`, ttlSeconds: 60 })
      );
      await Promise.all(registrations.map(({ ready }) => ready));
      await eventually(
        "each sees its own",
        () => consumers.every(({ now }, i) => now?.join() === `10.0.0.1:${8000 + i}`),
      );
      await Promise.all(registrations.map((registration) => registration.renew()));
      await eventually("the watches have one stream", () => streams.open === 1);
      assert.ok(streams.most <= 10);
      assert.deepEqual(consumers.filter(({ seen }) => seen.some(({ stale }) => stale !== undefined)), []);
      for (const { stop } of consumers) stop();
      await eventually("the stream is closed", () => streams.open === 0);
    });

    it("a keepalive's request side stays open until its answer, and its stream is not reset", async () => {
      let ended = false, answer: (() => void) | undefined, over: string | undefined;
      const { address } = await serve(({ service }) => {
        service(KV, { range: () => ({}) });
        service(Lease, {
          async *leaseKeepAlive(requests, { signal }) {
            const requested = requests[Symbol.asyncIterator]();
            const { value } = await requested.next();
            const end = requested.next().then(() => (ended = true));
            await new Promise<void>((resolve) => (answer = resolve));
            yield { ID: value.ID, TTL: 5n };
            await end;
            over = signal.aborted ? "reset" : "ended";
          },
        });
      }, 100);
      const { driver, call } = onEndpoint(create(), address);
      opened.push(() => driver.close());
      const kept = driver.leaseKeepAlive(1n, call());
      const asked = await eventually("it is asked", () => answer);
      // What was sent before these is there when they are answered.
      for (let i = 0; i < 3; i++) await driver.range({ key: bytes("k") }, call());
      assert.equal(ended, false);
      asked();
      assert.equal(await kept, 5n);
      await eventually("its stream ends", () => over !== undefined);
      assert.equal(over, "ended");
    });

    it("a server that does not end keepalives gathers a few", async () => {
      const { address, streams } = await serve(({ service }) => {
        service(Lease, {
          async *leaseKeepAlive(_, { signal }) {
            yield { TTL: 5n };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        });
      }, 100);
      const { driver, call } = onEndpoint(create(), address);
      opened.push(() => driver.close());
      for (let i = 0; i < 50; i++) assert.equal(await driver.leaseKeepAlive(1n, call()), 5n);
      assert.ok(streams.most < 30, `${streams.most} streams`);
    });
  });
}
