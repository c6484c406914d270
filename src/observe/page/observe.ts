import { asError } from "../../error-text.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import { systemClock } from "../../time/clock.ts";
import { Collector } from "./collector.ts";
import { respond } from "./handler.ts";
import { checkObserveOptions, type ObserveOptions } from "./options.ts";
import { Timeline } from "./timeline.ts";
import { Viewers } from "./viewers.ts";

/** A live page about transports, servers and registries. */
export interface Observation extends Disposable {
  /**
   * Serves the page, for `Bun.serve`, `Deno.serve`, a Worker, or `node:http` through `requestListener` of
   * `connect-lb/node`. It may be mounted below any path: `/` of that path is the page, `snapshot` its content as JSON,
   * `events` the changes as server-sent events. It only reads, and never throws.
   */
  readonly handler: (request: Request) => Response;
  /**
   * Takes a registry's events for the page's list of events: `createEtcdRegistry({ endpoints, onEvent: page.onEvent })`.
   * Transports need no such thing: the page subscribes to them. What else changes is noticed while somebody looks.
   */
  readonly onEvent: (event: RegistryEvent) => void;
  /** Ends the streams of all viewers. Later requests for data are answered with 503. */
  close(): void;
}

/**
 * A live page about what this program does: services and their endpoints, why calls failed or were slow, registrations,
 * servers, and what happened. It costs nothing while nobody watches.
 *
 * Anyone who can reach the handler can read the page: addresses, names of services and methods, and texts of errors, but
 * no metadata, messages, tokens or passwords. So serve it on loopback, or behind something that authenticates users.
 *
 * ```ts
 * import { observe } from "connect-lb/page";
 *
 * const page = observe({ transports: [transport], registries: [registry] });
 * export default { fetch: page.handler }; // Bun.serve({ fetch: page.handler }), Deno.serve(page.handler)
 * ```
 *
 * @throws TypeError or RangeError for an invalid option
 */
export function observe(options: ObserveOptions): Observation {
  checkObserveOptions(options);
  const { hosts = [], intervalMs = 500, maxViewers = 16, clock = systemClock } = options;
  const timeline = new Timeline(clock);
  const collector = new Collector(options, timeline);
  // Viewers share what is read, whatever their number.
  const state = () => collector.state(clock.now(), intervalMs / 2);
  const viewers = new Viewers({ state, clock, intervalMs, most: maxViewers });
  collector.subscribe();
  let closed = false;
  const close = () => {
    closed = true;
    collector.close();
    viewers.close();
  };
  return {
    handler(request) {
      try {
        return respond(request, { hosts, viewers, state: () => closed ? undefined : state() });
      } catch (error) {
        console.error("connect-lb: the page could not be served", asError(error));
        return new Response("internal error\n", { status: 500 });
      }
    },
    onEvent: (event) => timeline.note(event),
    close,
    [Symbol.dispose]: close,
  };
}
