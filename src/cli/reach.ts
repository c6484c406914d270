import net from "node:net";
import { parseAddress, unixPath } from "../endpoint.ts";

/** Whether a server answered a TCP connection. */
export interface Reach {
  readonly reachable: boolean;
  /** How long it took, in milliseconds; undefined if it didn't. */
  readonly ms?: number;
  /** Why it didn't. */
  readonly error?: string;
}

/** Opens a TCP connection to an address and closes it again. Never rejects. */
export function reach(address: string, timeoutMs: number, signal?: AbortSignal): Promise<Reach> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    const path = unixPath(address);
    const socket = net.connect(path === undefined ? parseAddress(address) : { path });
    const end = (result: Reach) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.destroy();
      resolve(result);
    };
    const abort = () => end({ reachable: false, error: "interrupted" });
    const timer = setTimeout(() => end({ reachable: false, error: `no answer within ${timeoutMs} ms` }), timeoutMs);
    signal?.addEventListener("abort", abort);
    socket.once("connect", () => end({ reachable: true, ms: performance.now() - startMs }));
    // Also after the end: an unhandled one would end the process.
    socket.on("error", (error: NodeJS.ErrnoException) => end({ reachable: false, error: error.code ?? error.message }));
  });
}
