import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { watchHealth } from "../../src/cli/sidecar/health-watch.ts";
import { grpcProbe, tcpProbe } from "../../src/cli/sidecar/probe.ts";
import { createGrpcServer, type CreateGrpcServerOptions, createHealth, type GrpcServer } from "../../src/server.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

const signal = new AbortController().signal;

describe("the health of a registered program", () => {
  const servers: GrpcServer[] = [];
  const served = async (options: CreateGrpcServerOptions, port = 0) => {
    const server = createGrpcServer(options);
    servers.push(server);
    return { server, address: (await server.listen({ host: "127.0.0.1", port })).address };
  };
  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      void server.close();
    }
  });

  it("is good after one success, and bad after three failures in a row, which follow quickly", async () => {
    const clock = new ManualClock(), ending = new AbortController(), heard: string[] = [];
    let answer: string | undefined, probes = 0;
    const watching = watchHealth(
      () => {
        probes++;
        return Promise.resolve(answer);
      },
      { intervalMs: 2_000, clock, random: () => 0.5 },
      { healthy: () => void heard.push("healthy"), unhealthy: (reason) => void heard.push(reason) },
      ending.signal,
    );
    await clock.advance(6_000);
    assert.deepEqual(heard, ["healthy"]);
    answer = "refused";
    await clock.advance(2_000);
    assert.deepEqual(heard, ["healthy"], "one failure is none");
    await clock.advance(600);
    assert.deepEqual(heard, ["healthy", "refused"]);
    const before = probes;
    await clock.advance(60_000);
    assert.ok(probes - before < 40, "it is asked at the interval then");
    assert.deepEqual(heard, ["healthy", "refused"], "the same reason is said once");
    answer = "reset";
    await clock.advance(2_500);
    answer = undefined;
    await clock.advance(2_500);
    assert.deepEqual(heard, ["healthy", "refused", "reset", "healthy"]);
    ending.abort();
    await watching;
    assert.deepEqual(clock.pending, []);
  });

  it("says nothing of a server that is only starting, for five seconds", async () => {
    const clock = new ManualClock(), ending = new AbortController(), heard: string[] = [];
    const watching = watchHealth(
      () => Promise.resolve("refused"),
      { intervalMs: 500, clock, random: () => 0.5 },
      { healthy: () => void heard.push("healthy"), unhealthy: (reason) => void heard.push(reason) },
      ending.signal,
    );
    await clock.advance(4_900);
    assert.deepEqual(heard, []);
    await clock.advance(1_000);
    assert.deepEqual(heard, ["refused"]);
    ending.abort();
    await watching;
  });

  it("by TCP is whether it accepts connections", async () => {
    const [port = 0] = await freePorts(1);
    assert.match(await tcpProbe(`127.0.0.1:${port}`, 5_000)(signal) ?? "", /doesn't accept connections: ECONNREFUSED$/);
    await served({ routes: () => {} }, port);
    assert.equal(await tcpProbe(`127.0.0.1:${port}`, 5_000)(signal), undefined);
  });

  it("by gRPC is what its health service says of it, or of one of its services", async () => {
    const health = createHealth();
    const { server, address } = await served({ routes: health.routes });
    const ask = (service = "") => grpcProbe({ address: address, service: service }, 5_000)(signal);
    assert.equal(await ask(), undefined);
    assert.match(await ask("proto.Other") ?? "", /doesn't know that service: check --health-service/);
    health.setStatus("", "NOT_SERVING");
    assert.equal(await ask(), `${address} says that it is NOT_SERVING`);
    server.closeAllConnections();
    await server.close();
    await eventually("it is gone", async () => /ECONNREFUSED|can't connect/.test(await ask() ?? ""));

    const { address: other } = await served({ routes: () => {} });
    assert.match(
      await grpcProbe({ address: other, service: "" }, 5_000)(signal) ?? "",
      /has no grpc\.health\.v1\.Health: use --health tcp/,
    );
  });
});
