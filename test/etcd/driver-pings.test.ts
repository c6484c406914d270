// B2: etcd ends connections that are pinged more often than every 5 s, or while no stream is open.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import type { EtcdDriver } from "../../src/etcd/driver/driver.ts";
import { createEtcd3Driver } from "../../src/etcd/driver/etcd3/etcd3-driver.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Flag, FrameType, type RawFrame } from "../support/raw-http2/frame.ts";
import { type RawServer, startRawServer } from "../support/raw-http2/server.ts";
import { OK_HEADERS } from "../support/raw-http2/session.ts";
import { onEndpoint, type OpenedWatch } from "./drivers.ts";

const LEAST_MS = 6_000;
const opened: { close(): Promise<unknown> }[] = [];

/** A server that opens every watch and is silent from then on. */
async function silent(create: () => EtcdDriver): Promise<{ server: RawServer; watch(): OpenedWatch }> {
  const server = await startRawServer(async (session) => {
    await session.handshake();
    for (;;) session.headers(await session.request(), OK_HEADERS);
  });
  const driver = onEndpoint(create(), server.address);
  opened.push(driver.driver, server);
  return {
    server,
    watch() {
      const watch = driver.watch(1n, "pings/");
      // Read, so that it is opened; how it ends is of no interest.
      void watch.failure().catch(() => {});
      return watch;
    },
  };
}

const frames = ({ sessions: [session] }: RawServer, wanted: (frame: RawFrame) => boolean) =>
  session?.received.filter(wanted).length ?? 0;
const pings = (server: RawServer) =>
  frames(server, ({ type, flags }) => type === FrameType.ping && (flags & Flag.ack) === 0);
/** What was sent before a stream that the server has seen was seen too. */
const streams = (server: RawServer, count: number) =>
  eventually(
    `the server sees stream ${count}`,
    () => frames(server, ({ type }) => type === FrameType.headers) === count,
  );
/** On Bun grpc-js sometimes resets a stream twice. */
const resets = (server: RawServer, count: number) =>
  eventually(
    `the server sees reset ${count}`,
    () => frames(server, ({ type }) => type === FrameType.rstStream) >= count,
  );

describe("pings to etcd", () => {
  after(async () => {
    for (const resource of opened) await resource.close();
  });

  it("B2: the Connect driver's come 6 s apart at least, and only while a stream is open", async () => {
    const clock = new ManualClock();
    const { server, watch } = await silent(() => createConnectDriver(grpcConnector({ clock })));
    const watches: OpenedWatch[] = [];
    const open = async () => {
      watches.push(watch());
      await streams(server, watches.length);
    };
    await open();
    let sinceMs = clock.now();
    for (let n = 0; n < 3; n++) {
      await eventually("a ping", async () => {
        await clock.advance(1_000);
        await new Promise((resolve) => setImmediate(resolve));
        return pings(server) > n;
      });
      assert.ok(clock.now() - sinceMs >= LEAST_MS, `a ping after ${clock.now() - sinceMs} ms`);
      sinceMs = clock.now();
    }
    for (const watch of watches) watch.stop();
    await resets(server, 1);
    const before = pings(server);
    await clock.advance(600_000);
    await open();
    assert.equal(pings(server), before, "pings without a stream");
  });

  it("B2: the etcd3 driver's come 6 s after the last sign of life at least, and only while a stream is open", async () => {
    const idle = await silent(() => createEtcd3Driver({ Etcd3 }));
    const ended = idle.watch();
    await streams(idle.server, 1);
    ended.stop();
    await resets(idle.server, 1);
    const busy = await silent(() => createEtcd3Driver({ Etcd3 }));
    busy.watch();
    await streams(busy.server, 1);
    const sinceMs = performance.now();
    await eventually("a ping", () => pings(busy.server) > 0, 25_000);
    assert.ok(performance.now() - sinceMs >= LEAST_MS, `a ping after ${performance.now() - sinceMs} ms`);
    assert.equal(pings(idle.server), 0, "pings without a stream");
  });
});
