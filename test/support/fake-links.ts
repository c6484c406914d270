import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Connector, Link, LinkEvents } from "../../src/connection/link.ts";
import type { Endpoint } from "../../src/endpoint.ts";

/** A link whose openings a test settles by hand. */
export interface FakeLink {
  readonly endpoint: Endpoint;
  readonly events: LinkEvents;
  /** How often it was asked to open. */
  opened: number;
  closed: boolean;
  /** Settles the opening that is under way. */
  ready(): void;
  refuse(error?: Error): void;
}

/** A connector of links that open when the test says so, or at once with `auto`. */
export function fakeConnector(options: { auto?: boolean; transport?: (endpoint: Endpoint) => Transport } = {}): {
  connector: Connector;
  links: Map<string, FakeLink>;
} {
  const links = new Map<string, FakeLink>();
  const connector: Connector = (endpoint, events): Link => {
    let settle: { resolve(): void; reject(error: Error): void } | undefined;
    const fake: FakeLink = {
      endpoint,
      events,
      opened: 0,
      closed: false,
      ready: () => settle?.resolve(),
      refuse: (error = new ConnectError("connection refused", Code.Unavailable)) => settle?.reject(error),
    };
    links.set(endpoint.address, fake);
    return {
      transport: options.transport?.(endpoint) ?? noTransport,
      connect(signal) {
        fake.opened++;
        if (options.auto) return Promise.resolve();
        return new Promise((resolve, reject) => {
          settle = { resolve, reject };
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      },
      close() {
        fake.closed = true;
        return Promise.resolve();
      },
    };
  };
  return { connector, links };
}

const noTransport: Transport = {
  unary: () => Promise.reject(new ConnectError("no transport", Code.Unimplemented)),
  stream: () => Promise.reject(new ConnectError("no transport", Code.Unimplemented)),
};
