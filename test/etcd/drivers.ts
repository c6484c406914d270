// The drivers that one and the same suites are run on, and what those need to say of them.
import assert from "node:assert/strict";
import { Etcd3 } from "etcd3";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import type {
  AttemptContext,
  EtcdDriver,
  FailureKind,
  WatchRequest,
  WatchResponse,
} from "../../src/etcd/driver/driver.ts";
import { createEtcd3Driver } from "../../src/etcd/driver/etcd3/etcd3-driver.ts";
import { createGatewayDriver } from "../../src/etcd/driver/gateway/gateway-driver.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";

/** A driver by name; each test opens its own. */
export interface DriverKind {
  readonly name: string;
  /** Whether it sees its connections, one to an endpoint; else they are the runtime's, one for each call in flight. */
  readonly seesConnections: boolean;
  create(): EtcdDriver;
}

export const connectKind: DriverKind = {
  name: "the Connect driver",
  seesConnections: true,
  create: () => createConnectDriver(grpcConnector({ readMaxBytes: 2 ** 29 })),
};
export const etcd3Kind: DriverKind = {
  name: "the etcd3 driver",
  seesConnections: true,
  create: () => createEtcd3Driver({ Etcd3 }),
};
export const gatewayKind: DriverKind = {
  name: "the gateway driver",
  seesConnections: false,
  create: () => createGatewayDriver({ random: Math.random }),
};
/** Those over HTTP/2, whose streams share a connection that they see. */
export const http2Kinds: readonly DriverKind[] = [connectKind, etcd3Kind];
export const driverKinds: readonly DriverKind[] = [...http2Kinds, gatewayKind];

/** A driver on one etcd endpoint, with little to write around each call. */
export interface OpenedDriver {
  readonly driver: EtcdDriver;
  call(signal?: AbortSignal, token?: string): AttemptContext;
  put(key: string, value?: string | Uint8Array): Promise<bigint>;
  watch(startRevision: bigint, prefix: string, token?: string): OpenedWatch;
  /** What a call is refused for; fails if it isn't. */
  kind(attempt: Promise<unknown>): Promise<FailureKind>;
}

/** A watch that is read response by response. */
export interface OpenedWatch {
  /** The next response; fails when none comes within 30 s. */
  next(): Promise<WatchResponse>;
  /** The error that it ends with. */
  failure(): Promise<unknown>;
  requestProgress(): void;
  stop(): void;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (array: Uint8Array): string => new TextDecoder().decode(array);
/** All keys with a prefix that ends with "/". */
export const range = (prefix: string): Pick<WatchRequest, "key" | "rangeEnd"> => {
  assert.ok(prefix.endsWith("/"));
  return { key: bytes(prefix), rangeEnd: bytes(`${prefix.slice(0, -1)}0`) };
};

export function onEndpoint(driver: EtcdDriver, address: string): OpenedDriver {
  const endpoint = { address };
  const call = (signal = new AbortController().signal, token?: string) => ({ endpoint, signal, token });
  return {
    driver,
    call,
    async put(key, value = "") {
      const put = { key: bytes(key), value: typeof value === "string" ? bytes(value) : value, lease: 0n };
      return (await driver.txn({ compare: [], success: [{ put }], failure: [] }, call())).header.revision;
    },
    watch(startRevision, prefix, token) {
      const own = new AbortController();
      const stream = driver.watch(call(own.signal, token));
      stream.create({ ...range(prefix), watchId: 1n, startRevision });
      const responses = stream.responses[Symbol.asyncIterator]();
      const next = async () => {
        const taken = await within(responses.next(), "a response of the watch");
        assert.equal(taken.done ?? false, false, "the watch goes on");
        return taken.value as WatchResponse;
      };
      return {
        next,
        async failure() {
          const message = "the watch ended rather than failed";
          for (;;) {
            const ended = responses.next().then(({ done }) =>
              done ? new assert.AssertionError({ message }) : undefined
            );
            const error = await within(ended.catch((error: unknown) => error), "the watch's end");
            if (error instanceof assert.AssertionError) throw error;
            if (error !== undefined) return error;
          }
        },
        requestProgress: () => stream.requestProgress(),
        stop: () => own.abort(),
      };
    },
    async kind(attempt) {
      try {
        await within(attempt, "a refusal");
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        return driver.classify(error);
      }
      assert.fail("it was not refused");
    },
  };
}

/** The promise's outcome, or a failure once 30 s have passed. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `no ${what} within 30 s` })), 30_000);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
