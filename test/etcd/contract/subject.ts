// The etcd that a statement of the contract is checked on, and what it needs to say so.
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  Auth,
  KV,
  Lease,
  Maintenance,
  Watch,
  type WatchCreateRequestSchema,
  type WatchRequestSchema,
  type WatchResponse,
} from "../../../gen/etcd/rpc_pb.ts";

/** One statement: what holds, and how that is seen. */
export interface Statement {
  readonly name: string;
  readonly check: (etcd: Subject) => Promise<void>;
}

/** An etcd under test. Each statement gets one with a prefix of its own. */
export interface Subject {
  readonly prefix: string;
  readonly kv: Client<typeof KV>;
  readonly lease: Client<typeof Lease>;
  readonly auth: Client<typeof Auth>;
  readonly maintenance: Client<typeof Maintenance>;
  /** Opens a Watch stream. */
  watch(): WatchCall;
  /** Opens a LeaseKeepAlive stream and sends one request. */
  keepAlive(id: bigint): Promise<{ ID: bigint; TTL: bigint }>;
  /** Ends the streams that the statement opened. */
  close(): void;
}

/** An open Watch stream. */
export interface WatchCall {
  create(request: MessageInitShape<typeof WatchCreateRequestSchema>): void;
  cancel(watchId: bigint): void;
  progress(): void;
  /** The next response; fails when none comes within 30 s. */
  next(): Promise<WatchResponse>;
  /** Responses until they hold that many events. */
  events(count: number): Promise<WatchResponse[]>;
}

let prefixes = 0;

/** Makes a {@link Subject} of a transport to an etcd. */
export function subject(transport: Transport): Subject {
  const ending = new AbortController();
  const lease = createClient(Lease, transport);
  return {
    prefix: `contract/${prefixes++}/`,
    kv: createClient(KV, transport),
    lease,
    auth: createClient(Auth, transport),
    maintenance: createClient(Maintenance, transport),
    watch: () => openWatch(transport, ending.signal),
    async keepAlive(id) {
      const requests = openQueue<{ ID: bigint }>();
      requests.push({ ID: id });
      const own = new AbortController();
      const signal = AbortSignal.any([own.signal, ending.signal]);
      try {
        for await (const answer of lease.leaseKeepAlive(requests, { signal, timeoutMs: 30_000 })) return answer;
        throw new Error("the stream ended without an answer");
      } finally {
        own.abort();
      }
    },
    close: () => ending.abort(),
  };
}

interface Queue<T> extends AsyncIterable<T> {
  push(item: T): void;
}

/** An iterable that never ends by itself, as the request side of a long stream. */
function openQueue<T>(): Queue<T> {
  const items: T[] = [];
  let wake = () => {};
  return {
    push(item) {
      items.push(item);
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (items.length > 0) yield items.shift() as T;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function openWatch(transport: Transport, signal: AbortSignal): WatchCall {
  const requests = openQueue<MessageInitShape<typeof WatchRequestSchema>>();
  const send = (requestUnion: NonNullable<MessageInitShape<typeof WatchRequestSchema>["requestUnion"]>) =>
    requests.push({ requestUnion });
  const responses = createClient(Watch, transport).watch(requests, { signal })[Symbol.asyncIterator]();
  const next = async (): Promise<WatchResponse> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no response of the watch within 30 s")), 30_000);
    });
    const taken = await Promise.race([responses.next(), late]).finally(() => clearTimeout(timer));
    if (taken.done) throw new Error("the watch stream ended");
    return taken.value;
  };
  return {
    create: (request) => send({ case: "createRequest", value: request }),
    cancel: (watchId) => send({ case: "cancelRequest", value: { watchId } }),
    progress: () => send({ case: "progressRequest", value: {} }),
    next,
    async events(count) {
      const all: WatchResponse[] = [];
      let seen = 0;
      while (seen < count) {
        const response = await next();
        all.push(response);
        seen += response.events.length;
      }
      return all;
    },
  };
}

export const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
/** The range_end that makes a range of all keys with a prefix: its last byte raised by one. */
export const after = (prefix: string): Uint8Array<ArrayBuffer> => {
  const end = bytes(prefix);
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return end;
};
export const all = (prefix: string): { key: Uint8Array<ArrayBuffer>; rangeEnd: Uint8Array<ArrayBuffer> } => ({
  key: bytes(prefix),
  rangeEnd: after(prefix),
});
export const nothing: Uint8Array<ArrayBuffer> = new Uint8Array();

/** Checks that a call is refused with a code and etcd's own words. */
export async function refused(code: Code, message: string, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    const known = ConnectError.from(error);
    assert.equal(known.rawMessage, message);
    assert.equal(Code[known.code], Code[code]);
    return true;
  });
}
