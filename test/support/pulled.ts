import { type Client, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancerEvent } from "../../src/balancer/event.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { createPullTransport, type PullTransport, type PullTransportOptions } from "../../src/transport/pull.ts";
import { fakeConnector, type FakeLink, type FakeLinkOptions } from "./fake-links.ts";
import { ManualClock } from "./manual-clock.ts";
import { simpleRoutes } from "./simple.ts";

/** One list of a registry that a test answers. */
export interface List {
  readonly signal: AbortSignal;
  answer(...addresses: string[]): void;
  fail(error?: Error): void;
}

/** A pull transport over links in this process, whose registry and clock belong to the test. */
export interface Pulled {
  readonly transport: PullTransport;
  readonly client: Client<typeof Simple>;
  /** A client for one request, and the promises that its context was given. */
  request(): { readonly client: Client<typeof Simple>; readonly promises: Promise<unknown>[] };
  readonly clock: ManualClock;
  readonly links: Map<string, FakeLink>;
  readonly events: BalancerEvent[];
  /** The lists that were begun, the oldest first. */
  readonly lists: List[];
}

/** Its links have no states unless told otherwise. `addresses`: lists are answered with these at once. */
export function pulled(
  options: Partial<PullTransportOptions> & { links?: FakeLinkOptions; addresses?: string[] } = {},
): Pulled {
  const { links: linkOptions, addresses, ...rest } = options;
  const clock = new ManualClock();
  const events: BalancerEvent[] = [], lists: List[] = [];
  const { connector, links } = fakeConnector({
    stateless: true,
    transport: ({ address }) => createRouterTransport(simpleRoutes({ name: address })),
    ...linkOptions,
  });
  const resolver = {
    target: "simple",
    list: (signal: AbortSignal) =>
      new Promise<Resolution>((resolve, reject) => {
        const list: List = {
          signal,
          answer: (...named) => resolve({ endpoints: named.map((address) => ({ address })) }),
          fail: (error = new Error("the registry is away")) => reject(error),
        };
        lists.push(list);
        if (addresses !== undefined) list.answer(...addresses);
      }),
  };
  const onEvent = (event: BalancerEvent) => void events.push(event);
  const transport = createPullTransport({ resolver, connector, clock, random: () => 0, onEvent, ...rest });
  const clientOf = (over: Transport) => createClient(Simple, over);
  return {
    transport,
    client: clientOf(transport),
    request() {
      const promises: Promise<unknown>[] = [];
      const ctx = { waitUntil: (promise: Promise<unknown>) => void promises.push(promise) };
      return { client: clientOf(transport.forRequest(ctx)), promises };
    },
    clock,
    links,
    events,
    lists,
  };
}
