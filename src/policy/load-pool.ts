import type { CallInfo } from "./policy.ts";
import type { ServerLoad } from "./server-load.ts";

/** How many servers are compared. With more, all clients would choose the same ones. */
const SIZE = 4;

/**
 * The few servers that reported their load last. A report serves one call: after that, other clients have made it
 * outdated as well.
 */
export class LoadPool {
  readonly #maxAgeMs: number;
  /** The oldest report first. */
  readonly #servers: ServerLoad[] = [];

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }

  /** A server has reported. The oldest report makes room for it. */
  add(server: ServerLoad): void {
    this.remove(server);
    if (this.#servers.length === SIZE) this.#servers.shift();
    this.#servers.push(server);
  }

  remove(server: ServerLoad): void {
    const at = this.#servers.indexOf(server);
    if (at >= 0) this.#servers.splice(at, 1);
  }

  /**
   * Takes the server with the fewest requests in flight; of several, the one that answers fastest. Undefined unless
   * there are two to choose from.
   */
  take(call: CallInfo, nowMs: number): ServerLoad | undefined {
    const servers = this.#servers;
    let best: ServerLoad | undefined, candidates = 0;
    for (let i = servers.length - 1; i >= 0; i--) {
      const server = servers[i]!, { connection } = server;
      if (!connection.available || nowMs - server.reportedAtMs > this.#maxAgeMs) {
        servers.splice(i, 1);
      } else if (!call.excluded(connection)) {
        candidates++;
        if (best === undefined || isLess(server, best)) best = server;
      }
    }
    if (best === undefined || candidates < 2) return undefined;
    this.remove(best);
    return best;
  }
}

function isLess(a: ServerLoad, b: ServerLoad): boolean {
  const difference = a.now - b.now;
  return difference < 0 || (difference === 0 && a.latencyMs < b.latencyMs);
}
