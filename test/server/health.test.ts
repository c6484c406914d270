import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createConnectRouter,
  createHandlerContext,
  createRouterTransport,
  type ServiceImpl,
} from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { createHealth, type ServerHealth, type ServingStatus } from "../../src/server/health.ts";
import { countListeners } from "../support/count-listeners.ts";

const clientOf = ({ routes }: ServerHealth) => createClient(Health, createRouterTransport(routes));

/** The service as a server calls it, with a signal of the call's own. */
function watchOf({ routes }: ServerHealth, service: string, signals: { shutdownSignal?: AbortSignal } = {}) {
  let implementation: Partial<ServiceImpl<typeof Health>> | undefined;
  const router: ConnectRouter = {
    ...createConnectRouter(),
    service(_service, given) {
      implementation = given as typeof implementation;
      return router;
    },
  };
  routes(router);
  const init = { service: Health, method: Health.method.watch, protocolName: "grpc", requestMethod: "POST", url: "" };
  const context = createHandlerContext({ ...init, ...signals });
  const request = { $typeName: "grpc.health.v1.HealthCheckRequest" as const, service };
  return { statuses: implementation!.watch!(request, context)[Symbol.asyncIterator](), context };
}

const refusedWith = (code: Code) => (error: unknown) => ConnectError.from(error).code === code;

describe("grpc.health.v1", () => {
  it("Check answers the server's status, and that of a service that was set", async () => {
    const health = createHealth();
    const client = clientOf(health);
    assert.equal((await client.check({})).status, Status.SERVING);
    health.setStatus(Simple, "NOT_SERVING");
    assert.equal((await client.check({ service: "proto.Simple" })).status, Status.NOT_SERVING);
    assert.equal((await client.check({})).status, Status.SERVING);
    health.setStatus("", "UNKNOWN");
    assert.equal((await client.check({})).status, Status.UNKNOWN);
    assert.equal(health.status(Simple), "NOT_SERVING");
    assert.equal(health.status("other"), undefined);
  });

  it("Check of an unknown service fails with NOT_FOUND, also after a shutdown", async () => {
    const health = createHealth();
    await assert.rejects(clientOf(health).check({ service: "other" }), refusedWith(Code.NotFound));
    health.shutdown();
    await assert.rejects(clientOf(health).check({ service: "other" }), refusedWith(Code.NotFound));
  });

  it("List answers all statuses, up to a hundred", async () => {
    const health = createHealth();
    const client = clientOf(health);
    health.setStatus("a", "NOT_SERVING");
    const { statuses } = await client.list({});
    assert.deepEqual(
      Object.entries(statuses).map(([name, { status }]) => [name, status]),
      [["", Status.SERVING], ["a", Status.NOT_SERVING]],
    );
    for (let i = 1; i < 99; i++) health.setStatus(`b${i}`, "SERVING");
    assert.equal(Object.keys((await client.list({})).statuses).length, 100);
    health.setStatus("one more", "SERVING");
    await assert.rejects(client.list({}), refusedWith(Code.ResourceExhausted));
  });

  it("shutdown() reports NOT_SERVING for all services, whatever is set, until resume()", async () => {
    const health = createHealth();
    const client = clientOf(health);
    health.setStatus("a", "SERVING");
    health.shutdown();
    health.setStatus("b", "SERVING");
    for (const service of ["", "a", "b"]) assert.equal((await client.check({ service })).status, Status.NOT_SERVING);
    assert.equal((await client.list({})).statuses["a"]?.status, Status.NOT_SERVING);
    health.resume();
    for (const service of ["", "a", "b"]) assert.equal((await client.check({ service })).status, Status.SERVING);
  });

  it("Watch begins with the status, or SERVICE_UNKNOWN, and goes on with changes alone", async () => {
    const health = createHealth();
    const { statuses } = watchOf(health, "a");
    const next = async () => (await statuses.next()).value?.status;
    assert.equal(await next(), Status.SERVICE_UNKNOWN);
    const changed = next();
    health.setStatus("other", "SERVING");
    health.setStatus("a", "SERVING");
    assert.equal(await changed, Status.SERVING);
    const changedAgain = next();
    health.setStatus("a", "SERVING");
    await new Promise((resolve) => setImmediate(resolve));
    health.shutdown();
    assert.equal(await changedAgain, Status.NOT_SERVING);
  });

  it("Watch gives a slow reader the newest status, and nothing if that is the one it has", async () => {
    const health = createHealth();
    const { statuses } = watchOf(health, "");
    assert.equal((await statuses.next()).value?.status, Status.SERVING);
    for (const status of ["NOT_SERVING", "SERVING", "NOT_SERVING", "UNKNOWN"] as const) health.setStatus("", status);
    assert.equal((await statuses.next()).value?.status, Status.UNKNOWN);
    for (const status of ["SERVING", "UNKNOWN"] as const) health.setStatus("", status);
    let answered = false;
    const next = statuses.next().finally(() => answered = true);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answered, false);
    health.setStatus("", "SERVING");
    assert.equal((await next).value?.status, Status.SERVING);
  });

  it("Watch serves many readers of many services", async () => {
    const health = createHealth();
    const watches = Array.from({ length: 300 }, (_, i) => watchOf(health, `s${i % 30}`).statuses);
    for (const watch of watches) assert.equal((await watch.next()).value?.status, Status.SERVICE_UNKNOWN);
    const all = Promise.all(watches.map((watch) => watch.next()));
    for (let i = 0; i < 30; i++) health.setStatus(`s${i}`, "SERVING");
    assert.ok((await all).every(({ value }) => value?.status === Status.SERVING));
  });

  it("Watch leaves nothing on its call's signal with each change", async () => {
    const health = createHealth();
    const { context, statuses } = watchOf(health, "");
    const listeners = countListeners(context.signal);
    await statuses.next();
    for (const status of ["NOT_SERVING", "SERVING", "NOT_SERVING"] as const) {
      const next = statuses.next();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(listeners(), 1);
      health.setStatus("", status);
      await next;
      assert.equal(listeners(), 0);
    }
  });

  it("Watch ends with its call, and with Unavailable when the server shuts down", async () => {
    const health = createHealth();
    const given = watchOf(health, "");
    await given.statuses.next();
    const waiting = given.statuses.next();
    given.context.abort(new ConnectError("given up", Code.Canceled));
    await assert.rejects(waiting, refusedWith(Code.Canceled));
    assert.equal((await given.statuses.next()).done, true);

    const stopping = new AbortController();
    const { statuses } = watchOf(health, "", { shutdownSignal: stopping.signal });
    await statuses.next();
    const ended = statuses.next();
    stopping.abort();
    await assert.rejects(ended, refusedWith(Code.Unavailable));
    // Nor does it begin to wait once that has happened.
    const late = watchOf(health, "", { shutdownSignal: stopping.signal });
    await late.statuses.next();
    await assert.rejects(late.statuses.next(), refusedWith(Code.Unavailable));
  });

  it("says what is wrong with a status or a service", () => {
    const health = createHealth();
    assert.throws(() => health.setStatus("a", "serving" as ServingStatus), {
      name: "TypeError",
      message: 'option status is "serving": expected "SERVING" or "NOT_SERVING" or "UNKNOWN"',
    });
    assert.throws(() => health.setStatus(1 as never, "SERVING"), /service is 1: expected a service's name/);
    assert.throws(() => health.status({} as never), /service is \{\}: expected a service's name/);
  });
});
