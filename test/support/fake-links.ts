import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Connector, Link, LinkEvents } from "../../src/connection/link.ts";
import type { Endpoint } from "../../src/endpoint.ts";

/** A link whose openings a test settles by hand. */
export interface FakeLink {
  readonly endpoint: Endpoint;
  readonly events: LinkEvents;
  /** How often it was asked to open. */
  opened: number;
  /** Aborts when the newest opening is given up. */
  opening: AbortSignal | undefined;
  closed: boolean;
  /** What each `close` was given: grace of unary calls and of streams, in milliseconds. */
  readonly closes: (readonly [number | undefined, number | undefined])[];
  /** How often it was asked to give back what it has not sent. */
  gaveBack: number;
  /** How many more calls it takes; undefined: any number. */
  room: number | undefined;
  /** Settles the opening that is under way. */
  ready(): void;
  refuse(error?: Error): void;
}

/** How a fake connector's links behave. */
export interface FakeLinkOptions {
  /** They open at once, and not when the test says so. */
  readonly auto?: boolean;
  /** They have no `connect`, like links over fetch. */
  readonly stateless?: boolean;
  /** Closing one settles when this does. */
  readonly whenClosed?: Promise<void>;
  readonly transport?: (endpoint: Endpoint) => Transport;
}

/** A connector of links that a test rules over. */
export function fakeConnector(options: FakeLinkOptions = {}): { connector: Connector; links: Map<string, FakeLink> } {
  const links = new Map<string, FakeLink>();
  const connector: Connector = (endpoint, events): Link => {
    let settle: { resolve(): void; reject(error: Error): void } | undefined;
    const fake: FakeLink = {
      endpoint,
      events,
      opened: 0,
      opening: undefined,
      closed: false,
      closes: [],
      gaveBack: 0,
      room: undefined,
      ready: () => settle?.resolve(),
      refuse: (error = new ConnectError("connection refused", Code.Unavailable)) => settle?.reject(error),
    };
    links.set(endpoint.address, fake);
    const connect = (signal: AbortSignal) => {
      fake.opened++;
      fake.opening = signal;
      if (options.auto) return Promise.resolve();
      return new Promise<void>((resolve, reject) => {
        settle = { resolve, reject };
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    };
    return {
      transport: options.transport?.(endpoint) ?? noTransport,
      get room() {
        return fake.room;
      },
      giveBack: () => void fake.gaveBack++,
      ...options.stateless !== true && { connect },
      close(graceMs, streamGraceMs) {
        fake.closed = true;
        fake.closes.push([graceMs, streamGraceMs]);
        return options.whenClosed ?? Promise.resolve();
      },
    };
  };
  return { connector, links };
}

const noTransport: Transport = {
  unary: () => Promise.reject(new ConnectError("no transport", Code.Unimplemented)),
  stream: () => Promise.reject(new ConnectError("no transport", Code.Unimplemented)),
};
