import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Connector, Link } from "../../src/connection/link.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import type { Endpoint } from "../../src/endpoint.ts";

/** A transport over one link. */
export interface Direct {
  readonly transport: Transport;
  readonly link: Link;
  close(graceMs?: number): Promise<void>;
}

/**
 * A transport over a link without a balancer: it opens the link for the first call, and again when it was lost or
 * drains. A link that can't be opened fails the call as unavailable and not sent.
 */
export function direct(connector: Connector, endpoint: Endpoint | string): Direct {
  const address = typeof endpoint === "string" ? { address: endpoint } : endpoint;
  let opening: Promise<void> | undefined;
  const gone = () => void (opening = undefined);
  const link = connector(address, { draining: gone, lost: gone });
  const open = async () => {
    // Opening holds the process until it has succeeded or failed.
    const held = setInterval(() => {}, 1_000);
    try {
      await link.connect?.(AbortSignal.timeout(10_000));
    } catch (cause) {
      opening = undefined;
      throw markAttempt(new ConnectError(String(cause), Code.Unavailable, undefined, undefined, cause), "not-sent");
    } finally {
      clearInterval(held);
    }
  };
  const transport: Transport = {
    async unary(...call) {
      await (opening ??= open());
      return link.transport.unary(...call);
    },
    async stream(...call) {
      await (opening ??= open());
      return link.transport.stream(...call);
    },
  };
  return { transport, link, close: (graceMs) => link.close(graceMs) };
}
