import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { Histogram } from "@opentelemetry/sdk-metrics";
import type { BalancerEvent } from "../../../src/balancer/event.ts";
import { Simple } from "../../../gen/simple_pb.ts";
import { fixedHedging, rawMethod, roundRobin, weightedRoundRobin } from "../../../src/index.ts";
import { telemetry } from "../../../src/otel.ts";
import { trailerOf } from "../../../src/server/load-trailer.ts";
import { createMemoryRegistry } from "../../../src/testing.ts";
import { eventually } from "../../support/eventually.ts";
import { simpleRoutes } from "../../support/simple.ts";
import { A66_CLIENT, A66_SERVER, A78, A91, A94, A96, type Named, RPC_CLIENT, RPC_SERVER } from "./names.ts";
import { assertNamed, collector, program, valueOf } from "./sdk.ts";

const ROUTE = "proto.Simple/Route";
const target = "test:///simple";

for (const by of ["producer", "instruments"] as const) {
  describe(`metrics by ${by === "producer" ? "the producer" : "a MeterProvider's instruments"}`, () => {
    it("have gRPC's names, units, buckets and attributes", async (t) => {
      const { options, collect } = collector(by), all = telemetry(options);
      await collect(all);
      const { simple, transport } = await program(t, { client: all, server: all }, [simpleRoutes({ name: "a" })]);
      await simple.route({ data: "x" });
      for await (const _ of simple.routeServerStream({ data: "x" }));
      const unknown = rawMethod("/made.Up/Method", "unary");
      await assert.rejects(transport.unary(unknown, undefined, undefined, undefined, {}, undefined));
      const metrics = await collect(all);
      assertNamed(metrics, { ...A66_CLIENT, ...A66_SERVER });
      const extra = [...metrics.keys()].filter((name) => !name.startsWith("connect_lb."));
      assert.deepEqual(extra.toSorted(), Object.keys({ ...A66_CLIENT, ...A66_SERVER }).toSorted());
      const ok = { "grpc.method": ROUTE, "grpc.target": target, "grpc.status": "OK" };
      assert.equal(valueOf(metrics, "grpc.client.attempt.started", { "grpc.method": ROUTE, "grpc.target": target }), 1);
      assert.equal(valueOf(metrics, "grpc.client.attempt.duration", ok), 1);
      assert.equal(valueOf(metrics, "grpc.client.call.duration", ok), 1);
      assert.equal(valueOf(metrics, "grpc.server.call.started", { "grpc.method": ROUTE }), 1);
      assert.equal(valueOf(metrics, "grpc.server.call.duration", { "grpc.method": ROUTE, "grpc.status": "OK" }), 1);
      for (const side of ["client.attempt", "server.call"]) {
        const other = { "grpc.method": "other", "grpc.status": "UNIMPLEMENTED" };
        assert.equal(valueOf(metrics, `grpc.${side}.duration`, other), 1, side);
      }
      const sizes = (way: string) =>
        metrics.get(`grpc.${way}_total_compressed_message_size`)!.points
          .filter(({ attributes }) => String(attributes["grpc.method"]).startsWith("proto."))
          .map(({ attributes, value }) => [attributes["grpc.method"], (value as { sum: number }).sum]);
      const requests = [[ROUTE, 3], ["proto.Simple/RouteServerStream", 3]];
      const responses = [[ROUTE, 15], ["proto.Simple/RouteServerStream", 51]];
      assert.deepEqual(sizes("client.attempt.sent"), requests);
      assert.deepEqual(sizes("server.call.rcvd"), requests);
      assert.deepEqual(sizes("client.attempt.rcvd"), responses);
      assert.deepEqual(sizes("server.call.sent"), responses);
    });

    it("have OpenTelemetry's names if asked for, alone or beside gRPC's", async (t) => {
      for (const conventions of ["otel", "both"] as const) {
        const { options, collect } = collector(by), all = telemetry({ ...options, conventions });
        await collect(all);
        const { simple } = await program(t, { client: all, server: all }, [simpleRoutes({ name: "a" })]);
        await simple.route({ data: "x" });
        const metrics = await collect(all);
        assertNamed(metrics, {
          ...RPC_CLIENT,
          ...RPC_SERVER,
          ...conventions === "both" && { ...A66_CLIENT, ...A66_SERVER },
        });
        assert.equal(metrics.has("grpc.client.call.duration"), conventions === "both");
        const ok = { "rpc.system.name": "grpc", "rpc.method": ROUTE, "rpc.status_code": "OK" };
        assert.equal(valueOf(metrics, "rpc.client.call.duration", { ...ok, "server.address": target }), 1);
        assert.equal(valueOf(metrics, "rpc.server.call.duration", ok), 1);
      }
    });

    it("count retries and hedges by gRPC's experimental names, if asked for", async (t) => {
      const { options, collect } = collector(by), all = telemetry({ ...options, experimental: true });
      await collect(all);
      let failures = 1;
      const waiting: (() => void)[] = [];
      const routes = (router: ConnectRouter) =>
        router.service(Simple, {
          async route({ data }) {
            if (failures-- > 0) throw new ConnectError("busy", Code.Unavailable);
            if (data !== "hedge") return {};
            // The first of two waits until the second is there.
            if (waiting.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
            waiting.forEach((go) => go());
            return {};
          },
        });
      const { simple } = await program(t, { client: all, server: all }, [routes, routes], {
        retry: { initialBackoffMs: 1, maxBackoffMs: 1 },
        policy: roundRobin(),
      });
      await simple.route({});
      const before = await collect(all), ofCall = { "grpc.method": ROUTE, "grpc.target": target };
      assertNamed(before, only(A96, "grpc.client.call.retries", "grpc.client.call.retry_delay"));
      assert.equal(valueOf(before, "grpc.client.call.retries", ofCall), 1);
      assert.equal(before.has("grpc.client.call.hedges"), false);
      assert.equal(valueOf(before, "grpc.client.attempt.duration", { ...ofCall, "grpc.status": "UNAVAILABLE" }), 1);
      assert.equal(valueOf(before, "grpc.client.call.duration", { ...ofCall, "grpc.status": "OK" }), 1);

      const hedged = await program(t, { client: all, server: all }, [routes, routes], {
        defaultServiceConfig: { methods: { "proto.Simple": { hedging: fixedHedging({ maxAttempts: 2 }) } } },
      });
      await hedged.transport.connect();
      await eventually(
        "both are ready",
        () => hedged.transport.snapshot().endpoints!.every((e) => e.state === "ready"),
      );
      await hedged.simple.route({ data: "hedge" });
      const after = await collect(all);
      assertNamed(after, only(A96, "grpc.client.call.hedges"));
      assert.equal(valueOf(after, "grpc.client.call.hedges", ofCall), 1);
      assert.equal(valueOf(after, "grpc.client.call.retries", ofCall), 1);
    });

    it("count connections by gRPC's experimental names, if asked for", async (t) => {
      const { options, collect } = collector(by), all = telemetry({ ...options, experimental: true });
      await collect(all);
      const { simple, transport, servers } = await program(t, { client: all, server: all }, [
        simpleRoutes({ name: "a" }),
        simpleRoutes({ name: "b" }),
      ]);
      await simple.route({});
      await eventually("both are ready", () => transport.snapshot().endpoints!.every((e) => e.state === "ready"));
      const of = (attributes = {}) => ({ "grpc.target": target, ...attributes });
      let metrics = await collect(all);
      assert.equal(valueOf(metrics, "grpc.subchannel.connection_attempts_succeeded", of()), 2);
      assert.equal(valueOf(metrics, "grpc.subchannel.open_connections", of()), 2);
      await servers[0]!.close();
      await eventually("its connection can't be opened again", async () => {
        return valueOf(metrics = await collect(all), "grpc.subchannel.connection_attempts_failed", of()) !== undefined;
      });
      assertNamed(metrics, A94);
      assert.equal(valueOf(metrics, "grpc.subchannel.open_connections", of()), 1);
      const goaway = of({ "grpc.disconnect_error": "GOAWAY NO_ERROR" });
      assert.equal(valueOf(metrics, "grpc.subchannel.disconnections", goaway), 1);
      await transport.close();
      metrics = await collect(all);
      assert.equal(valueOf(metrics, "grpc.subchannel.open_connections", of()), 0);
      const shutdown = of({ "grpc.disconnect_error": "subchannel shutdown" });
      assert.equal(valueOf(metrics, "grpc.subchannel.disconnections", shutdown), 1);
    });

    it("count ejections by the rule that found the endpoint", async (t) => {
      const { options, collect } = collector(by), all = telemetry({ ...options, experimental: true });
      await collect(all);
      const bad = (router: ConnectRouter) =>
        router.service(Simple, {
          route() {
            throw new ConnectError("down", Code.Unavailable);
          },
        });
      const { simple, transport } = await program(t, { client: all, server: all }, [bad, simpleRoutes({ name: "b" })], {
        ejectOutliers: {},
        retry: false,
        policy: roundRobin(),
      });
      await transport.connect();
      await eventually("an ejection", async () => {
        await simple.route({}).catch(() => {});
        return transport.snapshot().endpoints!.some(({ ejected }) => ejected !== undefined);
      });
      const metrics = await collect(all);
      assertNamed(metrics, only(A91, "grpc.lb.outlier_detection.ejections_enforced"));
      const rule = { "grpc.lb.outlier_detection.detection_method": "consecutive_failures" };
      assert.equal(valueOf(metrics, "grpc.lb.outlier_detection.ejections_enforced", rule), 1);
    });

    it("count what is not ejected because too many endpoints are", async (t) => {
      const { options, collect } = collector(by), all = telemetry({ ...options, experimental: true });
      await collect(all);
      const bad = (router: ConnectRouter) =>
        router.service(Simple, {
          route() {
            throw new ConnectError("down", Code.Unavailable);
          },
        });
      const events: BalancerEvent[] = [];
      const routes = [bad, bad, simpleRoutes({ name: "c" })];
      const { simple, transport } = await program(t, { client: all, server: all }, routes, {
        ejectOutliers: { maxEjectionPercent: 1 },
        retry: false,
        policy: roundRobin(),
        onEvent: (event) => void events.push(event),
      });
      await transport.connect();
      await eventually("an ejection that is not enforced", async () => {
        await simple.route({}).catch(() => {});
        return events.some(({ type }) => type === "ejection-unenforced");
      });
      const metrics = await collect(all);
      assertNamed(metrics, A91);
      const rule = {
        "grpc.lb.outlier_detection.detection_method": "consecutive_failures",
        "grpc.lb.outlier_detection.unenforced_reason": "max_ejection_overflow",
      };
      assert.ok(valueOf(metrics, "grpc.lb.outlier_detection.ejections_unenforced", rule) as number >= 1);
    });

    it("count what weighted round robin makes of load reports, by gRPC's experimental names", async (t) => {
      const { options, collect } = collector(by), all = telemetry({ ...options, experimental: true });
      await collect(all);
      let reporting = false;
      const routes = (router: ConnectRouter) =>
        router.service(Simple, {
          route(_, { responseTrailer }) {
            const report = trailerOf({ cpuUtilization: 0.5, rpsFractional: 100 });
            if (reporting) responseTrailer.set("endpoint-load-metrics-bin", report);
            return {};
          },
        });
      const { simple, transport } = await program(t, { client: all, server: all }, [routes, routes], {
        policy: weightedRoundRobin({
          loadReports: { blackoutPeriodMs: 0, expirationPeriodMs: 300, updatePeriodMs: 100 },
        }),
      });
      await transport.connect();
      let metrics = await collect(all);
      const value = (name: string) => valueOf(metrics, `grpc.lb.wrr.${name}`, { "grpc.target": target }) ?? 0;
      const until = (what: string, there: () => boolean) =>
        eventually(what, async () => {
          await simple.route({});
          metrics = await collect(all);
          return there();
        });
      await until("an update without weights", () => value("endpoint_weight_not_yet_usable") >= 2);
      assert.ok(value("rr_fallback") >= 1);
      reporting = true;
      await until("a weight", () => {
        const { value } = metrics.get("grpc.lb.wrr.endpoint_weights")!.points[0]! as { value: Histogram };
        return value.max === 200;
      });
      reporting = false;
      await until("weights that are too old", () => value("endpoint_weight_stale") >= 2);
      assertNamed(metrics, A78);
    });

    it("show the states of transports and registries", async (t) => {
      const { options, collect } = collector(by), all = telemetry(options);
      const registry = all.registry(createMemoryRegistry());
      registry.register({ service: "simple", address: "10.0.0.5:80" });
      const { simple, transport } = await program(t, { client: all, server: all }, [
        simpleRoutes({ name: "a" }),
        simpleRoutes({ name: "b" }),
      ]);
      await simple.route({});
      await eventually("both are ready", () => transport.snapshot().endpoints!.every((e) => e.state === "ready"));
      const metrics = await collect(all), of = { "grpc.target": target };
      assert.equal(valueOf(metrics, "connect_lb.endpoints", { ...of, "connect_lb.state": "ready" }), 2);
      for (
        const name of ["calls.waiting", "attempts.in_flight", "panic", "endpoints.staleness", "endpoints.held_back"]
      ) {
        assert.equal(valueOf(metrics, `connect_lb.${name}`, of), 0, name);
        assert.equal(metrics.get(`connect_lb.${name}`)!.type, "gauge");
      }
      const registered = { "connect_lb.service": "simple", "connect_lb.state": "registered" };
      assert.equal(valueOf(metrics, "connect_lb.registrations", registered), 1);
      await transport.close();
      assert.ok(!valueOf(await collect(all), "connect_lb.endpoints", of), "none is left");
      await registry.close();
    });
  });
}

/** A part of a list. */
function only(names: Readonly<Record<string, Named>>, ...wanted: readonly string[]): Record<string, Named> {
  return Object.fromEntries(wanted.map((name) => [name, names[name] ?? assert.fail(name)]));
}
