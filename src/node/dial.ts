import type { Duplex } from "node:stream";
import type { Endpoint } from "../endpoint.ts";
import { untilAborted } from "../time/until-aborted.ts";

/** What to dial: a host and a port, or the path of a Unix socket. */
export interface DialTarget {
  /** The endpoint as the resolver yielded it. */
  readonly endpoint: Endpoint;
  /** A name or an IP address, without brackets. */
  readonly host?: string;
  /** The port; undefined for a Unix socket. */
  readonly port?: number;
  /** The path of an endpoint like `unix:/path/of/socket`. */
  readonly path?: string;
}

/**
 * Opens connections in your own way: through a SOCKS proxy, an SSH tunnel, in memory. Returns an open duplex stream of
 * Node's, such as a `net.Socket`; TLS, if on, runs inside it. If it returns undefined, the target is dialled as usual.
 * It should give up when `signal` aborts.
 */
export type Dial = (target: DialTarget, signal: AbortSignal) => Duplex | undefined | Promise<Duplex | undefined>;

/** Awaits what `dial` opens; a stream that arrives after `signal` aborted is closed. */
export async function dialled(dial: Dial, target: DialTarget, signal: AbortSignal): Promise<Duplex | undefined> {
  const opening = Promise.resolve(dial(target, signal));
  try {
    const socket: unknown = await untilAborted(opening, signal);
    if (socket === undefined || isDuplex(socket)) return socket;
    throw new TypeError(`option dial returned ${String(socket)}: expected an open duplex stream, such as a net.Socket`);
  } catch (error) {
    opening.then((socket) => isDuplex(socket) && socket.on("error", () => {}).destroy(), () => {});
    throw error;
  }
}

function isDuplex(value: unknown): value is Duplex {
  const { on, write, destroy } = (value ?? {}) as Partial<Duplex>;
  return [on, write, destroy].every((method) => typeof method === "function");
}
