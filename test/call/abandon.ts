// Gives up many streams without a word, waits until they are collected, and prints what is left of them:
// `abandon.ts`, on a runtime that lets programs ask for a collection.
import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { create, type DescMethod } from "@bufbuild/protobuf";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { collect } from "../chaos/memory.ts";
import { fakeConnector } from "../support/fake-links.ts";

const STREAMS = 100;

/** One line of what it prints. */
export interface Left {
  readonly interceptors: number;
  /** Attempts in flight before and after the collection. */
  readonly before: number;
  readonly after: number;
  /** Listeners on the callers' signal, which outlives them. */
  readonly listeners: number;
  /** Attempts whose link heard that nobody reads any more. */
  readonly aborted: number;
}

let aborted = 0;

/** A transport whose streams have one message, and no end but their signal's. */
const endless = {
  unary: () => Promise.reject(new Error("no unary calls")),
  stream: (method: DescMethod, signal: AbortSignal | undefined) => {
    let read = 0;
    signal!.addEventListener("abort", () => aborted++);
    const next = () => {
      if (read++ === 0) return Promise.resolve({ done: false, value: create(method.output, {}) });
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    };
    const message = { [Symbol.asyncIterator]: () => ({ next }) };
    const response = { stream: true, service: method.parent, method, header: new Headers(), trailer: new Headers() };
    return Promise.resolve({ ...response, message });
  },
} as unknown as Transport;

const pass: Interceptor = (next) => (request) => next(request);

for (const interceptors of [[], [pass]]) {
  const { connector } = fakeConnector({ auto: true, transport: () => endless });
  const transport = createBalancedTransport({ resolver: staticResolver(["a:1"]), connector, interceptors });
  await transport.connect();
  const client = createClient(Simple, transport);
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    },
  });
  for (let i = 0; i < STREAMS; i++) {
    for await (const _ of client.routeServerStream({}, { signal })) break;
  }
  const inFlight = () => transport.snapshot().endpoints![0]!.inFlight;
  const before = inFlight();
  for (let i = 0; i < 20 && inFlight() > 1; i++) await collect();
  const left: Left = {
    interceptors: interceptors.length,
    before,
    after: inFlight(),
    listeners: listeners.size,
    aborted,
  };
  aborted = 0;
  console.log(JSON.stringify(left));
  await transport.close();
}
