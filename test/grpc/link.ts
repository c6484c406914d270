// A transport of ours to a server on loopback.
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type Client, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter, type ConnectNodeAdapterOptions } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { type AttemptEnd, readMark } from "../../src/connection/mark.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { type Scenario, startRawServer } from "../support/raw-http2/server.ts";

export type SimpleClient = Client<typeof Simple>;

/** An open link's client; both are closed when the test ends. */
export async function connect(
  t: TestContext,
  address: string,
  options: GrpcConnectorOptions = {},
): Promise<SimpleClient> {
  const link = grpcConnector(options)({ address }, { draining() {}, lost() {} });
  t.after(() => link.close());
  await link.connect!(AbortSignal.timeout(10_000));
  return createClient(Simple, link.transport);
}

/** A server of connect-node's that implements some of the methods. */
export async function serve(
  t: TestContext,
  methods: Partial<ServiceImpl<typeof Simple>>,
  options: Omit<ConnectNodeAdapterOptions, "routes"> = {},
): Promise<string> {
  const server = createServer(connectNodeAdapter({ ...options, routes: (router) => router.service(Simple, methods) }));
  const sessions = new Set<{ destroy(error: Error): void }>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const session of sessions) session.destroy(new Error("the test is over"));
    await closed;
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A scripted server. */
export async function script(t: TestContext, scenario: Scenario): Promise<string> {
  const server = await startRawServer(scenario);
  t.after(() => server.close());
  return server.address;
}

/** The error that a call fails with, and its mark. */
export async function failure(call: Promise<unknown>): Promise<{ error: ConnectError; mark: AttemptEnd | undefined }> {
  try {
    await call;
  } catch (error) {
    return { error: ConnectError.from(error), mark: readMark(error) };
  }
  throw new Error("the call succeeded");
}

export async function values(responses: AsyncIterable<{ value: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { value } of responses) all.push(value);
  return all;
}
