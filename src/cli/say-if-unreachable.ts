import type { Registry } from "../registry/registry.ts";
import type { Context } from "./command.ts";
import type { EtcdTarget } from "./etcd-target.ts";

/**
 * Says that etcd can't be reached. What serves does so all the same: etcd may come up later. Returns the names of the
 * services that are there; undefined if nobody knows.
 */
export async function sayIfUnreachable(
  { signal, say }: Pick<Context, "say" | "signal">,
  target: EtcdTarget,
  registry: Registry,
): Promise<readonly string[] | undefined> {
  try {
    return (await registry.list(signal)).map(({ service }) => service);
  } catch (error) {
    if (!signal.aborted) say(`${target.explain(error).message}; it is tried again`);
    return undefined;
  }
}
