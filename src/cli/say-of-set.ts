import type { RegistryEvent } from "../registry/event.ts";
import type { Registry } from "../registry/registry.ts";
import type { Context } from "./command.ts";

/** Says what became of a service's set, other than changes of it: how far it can be trusted. */
export function sayOfSet(
  context: Pick<Context, "say">,
  registry: Pick<Registry, "snapshot">,
  event: RegistryEvent,
): void {
  if (event.type === "set-stale") {
    const { service, cause } = event, watch = registry.snapshot().watches.find((watch) => watch.service === service);
    const kept = watch?.endpoints === undefined ? `nothing is known of ${service} yet` : "the last set stays in use";
    context.say(`etcd can't be reached, ${kept}: ${cause.message}`);
  } else if (event.type === "set-fresh") {
    context.say(`etcd can be reached: ${event.endpoints} ${event.endpoints === 1 ? "endpoint" : "endpoints"}`);
  } else if (event.type === "value-skipped") {
    context.say(`left out, because it can't be read: ${event.key}: ${event.cause.message}`);
  } else if (event.type === "auth-refused") context.say(`etcd refused: ${event.cause.message}`);
}
