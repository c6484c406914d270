// Dialling IPv6 addresses with a zone on Deno.

import net from "node:net";
import { Duplex } from "node:stream";
import type { HostAndPort } from "../endpoint.ts";
import { withoutZone } from "../endpoint.ts";
import { untilAborted } from "../time/until-aborted.ts";

/** The part of Deno's own sockets that is used here. */
interface DenoSocket {
  readonly readable: unknown;
  readonly writable: unknown;
  ref(): void;
  unref(): void;
  setNoDelay(on?: boolean): void;
}
interface Deno {
  connect(target: { hostname: string; port: number }): Promise<DenoSocket>;
}
const deno = (globalThis as { Deno?: Deno }).Deno;

/** Whether an address has a zone, which Deno's `node:net` would lose. */
export function needsDenoSocket({ host }: HostAndPort): boolean {
  return deno !== undefined && net.isIPv6(host) && host !== withoutZone(host);
}

/** Dials with one of Deno's own sockets. */
export async function denoSocket({ host, port }: HostAndPort, signal: AbortSignal): Promise<Duplex> {
  const dialling = deno!.connect({ hostname: host, port });
  try {
    const socket = await untilAborted(dialling, signal);
    const { readable, writable } = socket;
    return Object.assign(Duplex.fromWeb({ readable, writable } as Parameters<typeof Duplex.fromWeb>[0]), {
      ref: () => socket.ref(),
      unref: () => socket.unref(),
      setNoDelay: (on?: boolean) => socket.setNoDelay(on),
    });
  } catch (error) {
    dialling.then((socket) => void (socket.writable as WritableStream).abort(), () => {});
    throw error;
  }
}
