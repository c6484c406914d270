import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readFileSync } from "node:fs";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { rawMethod } from "../../../src/index.ts";
import { SCOPE } from "../../../src/observe/otel/scope.ts";
import { telemetry } from "../../../src/otel.ts";
import { balanced } from "../../support/balanced.ts";
import { simpleRoutes } from "../../support/simple.ts";
import { collector, program, valueOf } from "./sdk.ts";

describe("telemetry", () => {
  it("bounds the methods that it tells apart, and shows those without a schema only if asked to", async () => {
    const methods = Array.from({ length: 520 }, (_, i) => rawMethod(`/made.Up/Method${i}`, "unary"));
    for (const named of [false, true]) {
      const { collect } = collector("producer"), all = telemetry({ ...named && { methodFilter: () => true } });
      await collect(all);
      // Links that know none of them: what is bounded is what the client tells apart.
      const { transport, ready } = balanced({ observers: [all.client], links: { transport: () => unimplemented } });
      await ready();
      for (const method of methods) {
        await assert.rejects(transport.unary(method, undefined, undefined, undefined, {}, undefined));
      }
      const metrics = await collect(all);
      assert.equal(metrics.get("grpc.client.attempt.started")!.points.length, named ? 501 : 1);
      assert.equal(valueOf(metrics, "grpc.client.attempt.started", { "grpc.method": "other" }), named ? 20 : 520);
      await transport.close();
    }
  });

  it("never shows the names of methods that a server does not have", async (t) => {
    const { collect } = collector("producer"), all = telemetry({ methodFilter: () => true });
    await collect(all);
    const { transport } = await program(t, { client: all, server: all }, [simpleRoutes({ name: "a" })]);
    for (const name of ["One", "Two", "Three"]) {
      const method = rawMethod(`/made.Up/${name}`, "unary");
      await assert.rejects(transport.unary(method, undefined, undefined, undefined, {}, undefined));
    }
    const { points } = (await collect(all)).get("grpc.server.call.started")!;
    assert.deepEqual(points.map(({ attributes, value }) => [attributes, value]), [[{ "grpc.method": "other" }, 3]]);
  });

  it("records nothing, and costs nothing, without a provider or a reader", async (t) => {
    const all = telemetry();
    const { simple } = await program(t, { client: all, server: all }, [simpleRoutes({ name: "a" })]);
    await simple.route({});
    const { collect } = collector("producer");
    assert.equal((await collect(all)).has("grpc.client.call.duration"), false);
    await simple.route({});
    assert.equal(valueOf(await collect(all), "grpc.client.call.duration"), 1);
  });

  it("refuses what is no provider", () => {
    assert.throws(
      () => telemetry({ meterProvider: {} as never }),
      /option meterProvider is \{\}: expected a MeterProvider/,
    );
    assert.throws(() => telemetry({ conventions: "rpc" as never }), /option conventions is "rpc": expected "grpc"/);
    assert.throws(() => telemetry({ tracer: 1 } as never), /has no option "tracer"/);
  });

  it("has the version of the package", () => {
    const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
    assert.equal(SCOPE.version, version);
  });
});

const none = new ConnectError("no such method", Code.Unimplemented);
const unimplemented: Transport = { unary: () => Promise.reject(none), stream: () => Promise.reject(none) };
