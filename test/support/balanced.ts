import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { type BalancedTransport, createBalancedTransport } from "../../src/transport/transport.ts";
import type { BalancerEvent } from "../../src/balancer/event.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { fakeConnector, type FakeLink, type FakeLinkOptions } from "./fake-links.ts";
import { ManualClock } from "./manual-clock.ts";
import { simpleRoutes } from "./simple.ts";

/** A balanced transport over links in this process, with a clock that the test turns. */
export interface Balanced {
  readonly transport: BalancedTransport;
  readonly client: Client<typeof Simple>;
  readonly clock: ManualClock;
  readonly links: Map<string, FakeLink>;
  readonly events: BalancerEvent[];
  /** Connected, so that a call is sent at once. */
  ready(): Promise<void>;
}

/** With the endpoints a:1, b:1 and c:1, each behind a link that answers with its name, unless told otherwise. */
export function balanced(options: Partial<BalancedTransportOptions> & { links?: FakeLinkOptions } = {}): Balanced {
  const { links: linkOptions, ...rest } = options;
  const clock = new ManualClock();
  const events: BalancerEvent[] = [];
  const { connector, links } = fakeConnector({
    auto: true,
    transport: ({ address }) => createRouterTransport(simpleRoutes({ name: address })),
    ...linkOptions,
  });
  const transport = createBalancedTransport({
    resolver: staticResolver(["a:1", "b:1", "c:1"]),
    connector,
    clock,
    random: () => 0,
    onEvent: (event) => void events.push(event),
    ...rest,
  });
  return {
    transport,
    client: createClient(Simple, transport),
    clock,
    links,
    events,
    async ready() {
      const connected = transport.connect();
      await clock.advance(40);
      await connected;
    },
  };
}

/** A call that is let fail: what it failed with, or that it did not. */
export function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(() => new Error("the call was answered"), (error) => error);
}
