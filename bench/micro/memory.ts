import process from "node:process";
import type { Link } from "../../src/index.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { simpleClient } from "../contenders/connect-client.ts";

/** Collects garbage until nothing more goes. */
async function settle(): Promise<number> {
  const runtime = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  for (let i = 0; i < 5; i++) {
    if (runtime.Bun !== undefined) runtime.Bun.gc(true);
    else runtime.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes of heap and of buffers outside of it that an open connection without calls holds. */
export async function bytesPerConnection(address: string, count: number): Promise<number> {
  const connector = grpcConnector();
  const links: Link[] = [];
  const open = async () => {
    const link = connector({ address }, { draining() {}, lost() {} });
    await link.connect?.(AbortSignal.timeout(10_000));
    links.push(link);
  };
  await open();
  const before = await settle();
  for (let i = 0; i < count; i++) await open();
  const bytes = (await settle() - before) / count;
  await Promise.all(links.map((link) => link.close()));
  return bytes;
}

/** Bytes that a unary call which waits for its answer holds. */
export async function bytesPerCall(address: string, count: number): Promise<number> {
  const link = grpcConnector()({ address }, { draining() {}, lost() {} });
  await link.connect?.(AbortSignal.timeout(10_000));
  const client = simpleClient(link.transport);
  const call = () => client.route({ data: "x".repeat(16) }).catch(() => {});
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 100; i++) calls.push(call());
  const before = await settle();
  for (let i = 0; i < count; i++) calls.push(call());
  const bytes = (await settle() - before) / count;
  await link.close();
  await Promise.all(calls);
  return bytes;
}
