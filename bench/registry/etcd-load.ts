// What the bench does to etcd, and what etcd says of itself.
import { Buffer } from "node:buffer";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const key = (service: string, address: string) => base64(`/grpclb/${service}/${address}`);

/** etcd takes so many operations in one transaction, unless it is told otherwise. */
const MOST_OPERATIONS = 128;

/** An address for a number from 0 on. */
export function address(i: number): string {
  return `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:8000`;
}

/** Writes and deletes endpoints of a service, in that order, many in a transaction; returns when etcd had the last. */
export async function change(
  url: string,
  service: string,
  { puts = [], deletes = [] }: { readonly puts?: readonly string[]; readonly deletes?: readonly string[] },
): Promise<number> {
  const operations = [
    ...deletes.map((address) => ({ requestDeleteRange: { key: key(service, address) } })),
    ...puts.map((address) => ({ requestPut: { key: key(service, address), value: base64(address) } })),
  ];
  for (let from = 0; from < operations.length; from += MOST_OPERATIONS) {
    const body = JSON.stringify({ success: operations.slice(from, from + MOST_OPERATIONS) });
    const response = await fetch(`${url}/v3/kv/txn`, { method: "POST", body });
    if (!response.ok) throw new Error(`etcd's txn: ${await response.text()}`);
    await response.text();
  }
  return Date.now();
}

/** What etcd has done since it was started. */
export interface Metrics {
  /** Each message of a stream counts as a request; by method. */
  readonly requests: ReadonlyMap<string, number>;
  readonly cpuSeconds: number;
}

/** Reads etcd's own metrics. */
export async function metrics(url: string): Promise<Metrics> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const requests = new Map<string, number>();
  for (const [, method, count] of text.matchAll(/^grpc_server_msg_received_total\{grpc_method="(\w+)".*\} (\S+)$/gm)) {
    requests.set(method!, Number(count));
  }
  return { requests, cpuSeconds: Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]) };
}
