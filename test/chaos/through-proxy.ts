import type { BalancedTransport, CallObserver } from "../../src/index.ts";
import type { Attempt } from "../../src/call/observer.ts";
import { balanceKey } from "../../src/call/options.ts";
import { createProxy } from "../../src/server.ts";
import { LANGUAGES, OrderedClient, withoutClient } from "../peers/clients/ordered.ts";
import { type Caller, expect, MESSAGES } from "./calls.ts";

/** By this field the attempts of a call are found at the proxy. */
const ID = "chaos-id";
/** By this one a proxy knows which client called. */
export const LANGUAGE = "chaos-language";
/** The timeout of calls that say nothing of it, in milliseconds. */
const TIMEOUT_MS = 20_000;

/** Clients in other languages, taking turns, whose calls go through proxies. */
export class ThroughProxy {
  readonly #clients: readonly OrderedClient[];
  /** Those who want to know of the attempts of a call, by its id. */
  readonly #watched = new Map<string, (attempt: Attempt) => void>();
  #turns = 0;

  /** Tells of attempts at the transports behind proxies: each of their calls knows its own, as a direct one does. */
  readonly observer: CallObserver = {
    attemptStarted: ({ header }) => this.#watched.get(header.get(ID) ?? ""),
  };

  /** @throws Error if there is a client in no language */
  constructor() {
    const languages = LANGUAGES.filter((language) => withoutClient(language) === false);
    if (languages.length === 0) throw new Error(`no clients: ${LANGUAGES.map(withoutClient).join("; ")}`);
    this.#clients = languages.map((language) => new OrderedClient(language));
  }

  /** The languages that calls come from. */
  get languages(): readonly string[] {
    return this.#clients.map(({ language }) => language);
  }

  /** Starts a proxy on this runtime in front of a transport; gives what calls through it, and what closes it. */
  async inFrontOf(transport: BalancedTransport): Promise<{ call: Caller; close: () => Promise<void> }> {
    // The demo service's unary method is called both as one that may be repeated and as one that may not.
    const proxies = [[], ["/proto.Simple/Route"]].map((idempotent) =>
      createProxy({ routes: [{ to: transport }], idempotent })
    );
    const [plain, idempotent] = await Promise.all(
      proxies.map(async (proxy) => (await proxy.listen({ host: "127.0.0.1", port: 0 })).address),
    );
    return {
      call: this.over([plain!], [idempotent!]),
      close: async () => {
        await Promise.all(proxies.map((proxy) => proxy.close()));
      },
    };
  }

  /** What calls through proxies at these addresses, which may repeat idempotent calls at the others. */
  over(addresses: readonly string[], idempotent: readonly string[] = addresses): Caller {
    return async (kind, id, { timeoutMs = TIMEOUT_MS, contextValues }) => {
      const { onAttempt, waitForReady = false } = contextValues?.get(balanceKey) ?? {};
      if (onAttempt !== undefined) this.#watched.set(id, onAttempt);
      try {
        const client = this.#clients[this.#turns++ % this.#clients.length]!;
        const values = await client.call(kind === "idempotent" ? idempotent : addresses, {
          kind: kind === "idempotent" ? "unary" : kind,
          data: id,
          messages: MESSAGES,
          timeoutMs,
          waitForReady,
          header: { [ID]: id, [LANGUAGE]: client.language },
        });
        expect(kind, id, values);
      } finally {
        this.#watched.delete(id);
      }
    };
  }

  /** Ends the clients. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}
