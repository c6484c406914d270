import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { balance, type BalancedTransport, createBalancedTransport } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { eventually } from "../support/eventually.ts";
import { type Child, runtime, startScript } from "../support/process.ts";
import { type EtcdProcess, startEtcdProcess } from "./etcd-process.ts";

interface Server {
  readonly address: string;
  readonly child: Child;
}

describe("servers that come and go", () => {
  let etcd: EtcdProcess;
  before(async () => {
    etcd = await startEtcdProcess();
  });
  after(() => etcd.child.kill());

  async function startServer(t: TestContext, service: string, address = "127.0.0.1:0"): Promise<Server> {
    const env = { ETCD_ENDPOINTS: etcd.url, SERVICE: service, ADDRESS: address };
    const child = startScript(runtime, "examples/server.ts", [], { env });
    t.after(() => child.kill());
    const [, listening] = await child.line(/^listening on (.*)/);
    await child.line(/^registered: /);
    return { address: listening!, child };
  }

  /** A client that makes one call after the other until the test ends. */
  async function startCalls(t: TestContext, service: string, servers: readonly Server[]) {
    const registry = createEtcdRegistry({ endpoints: [etcd.url] });
    const transport = createBalancedTransport({
      resolver: registry.resolver(service),
      connector: grpcConnector(),
      defaultTimeoutMs: 10_000,
    });
    const simple = createClient(Simple, transport);
    const served: string[] = [];
    const failures: string[] = [];
    let calling = true;
    await eventually("all servers are connected", async () => {
      await transport.connect();
      return servers.every(({ address }) => isAvailable(transport, address));
    });
    const calls = (async () => {
      for (let i = 0; calling; i++) {
        try {
          const onAttempt = ({ endpoint }: { endpoint: { address: string } }) => last = endpoint.address;
          let last = "";
          await simple.route({ data: `grpc ${i}` }, balance({ onAttempt }));
          served.push(last);
        } catch (error) {
          failures.push(ConnectError.from(error).message);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    const stop = async () => {
      calling = false;
      await calls;
      await transport.close();
      await registry.close();
    };
    t.after(stop);
    /** Waits for 30 more calls and gives the addresses that served them. */
    const next = async () => {
      const from = served.length;
      await eventually("30 more calls", () => served.length >= from + 30);
      return served.slice(from, from + 30);
    };
    return { transport, failures, next, stop };
  }

  const isAvailable = (transport: BalancedTransport, address: string) =>
    transport.snapshot().endpoints?.some(({ endpoint, available }) => available && endpoint.address === address);
  const isKnown = (transport: BalancedTransport, address: string) =>
    transport.snapshot().endpoints?.some(({ endpoint }) => endpoint.address === address);
  /** Any n calls in a row went to n different servers. */
  const assertRotation = (served: readonly string[], addresses: readonly string[]) => {
    assert.deepEqual(new Set(served), new Set(addresses));
    for (let i = 0; i + addresses.length <= served.length; i++) {
      assert.equal(new Set(served.slice(i, i + addresses.length)).size, addresses.length, served.join(" "));
    }
  };
  /** The set in use follows a change within 20 ms of calls; a rotation is looked for until it stands. */
  const eventuallyRotation = (next: () => Promise<string[]>, addresses: readonly string[]) =>
    eventually(`rotation over ${addresses.length}`, async () => (assertRotation(await next(), addresses), true));

  it("SIGTERM takes a server's key away, and no call fails", async (t) => {
    const servers = await Promise.all([1, 2, 3].map(() => startServer(t, "terminated")));
    const { transport, failures, next, stop } = await startCalls(t, "terminated", servers);
    await eventuallyRotation(next, servers.map(({ address }) => address));
    const [gone, ...stay] = servers;
    gone!.child.signal("SIGTERM");
    await eventually("the key is gone", () => !isKnown(transport, gone!.address));
    assert.deepEqual(await gone!.child.exited, { code: 0, signal: null });
    await gone!.child.line(/^drained$/);
    await eventuallyRotation(next, stay.map(({ address }) => address));
    await stop();
    assert.deepEqual(failures, []);
  });

  it("SIGKILL of a server and its return cost no call", async (t) => {
    const servers = await Promise.all([1, 2, 3].map(() => startServer(t, "killed")));
    const { transport, failures, next, stop } = await startCalls(t, "killed", servers);
    const addresses = servers.map(({ address }) => address);
    await eventuallyRotation(next, addresses);
    const [victim, ...stay] = servers;
    await victim!.child.kill();
    await eventuallyRotation(next, stay.map(({ address }) => address));
    await startServer(t, "killed", victim!.address);
    await eventually("it is connected", () => isAvailable(transport, victim!.address));
    await eventuallyRotation(next, addresses);
    await stop();
    assert.deepEqual(failures, []);
  });

  it("a server and a client say that etcd is away, keep trying, and find each other once it is back", async (t) => {
    const gone = await startEtcdProcess();
    await gone.child.kill();
    const env = { ETCD_ENDPOINTS: gone.url, SERVICE: "patient", ADDRESS: "127.0.0.1:0", CALLS: "2", INTERVAL_MS: "1" };
    const server = startScript(runtime, "examples/server.ts", [], { env });
    const client = startScript(runtime, "examples/client.ts", [], { env });
    t.after(() => Promise.all([server.kill(), client.kill()]));
    await server.line(/^can't register, still trying: .*ECONNREFUSED/);
    await client.line(/^etcd can't be reached, still trying: .*ECONNREFUSED/);
    const back = await startEtcdProcess(gone.url);
    t.after(() => back.child.kill());
    await server.line(/^registered: \/grpclb\/patient\/127\.0\.0\.1:\d+$/);
    await client.line(/^code: 200, value: "hello grpc 1", from 127\.0\.0\.1:\d+$/);
    assert.deepEqual(await client.exited, { code: 0, signal: null });
  });
});
