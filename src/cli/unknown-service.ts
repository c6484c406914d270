import { nearest } from "../option.ts";
import type { ListedService } from "../registry/registry.ts";
import type { EtcdTarget } from "./etcd-target.ts";
import { CliError, EXIT } from "./exit.ts";

/** How many services an error names. */
const MOST_NAMED = 10;

/**
 * The error for a service without endpoints: which services there are, and which one may have been meant.
 *
 * @param unreadable how many entries it has that can't be read
 */
export async function unknownService(
  target: EtcdTarget,
  service: string,
  unreadable: number,
  signal: AbortSignal,
): Promise<CliError> {
  const { where, layoutName, layout } = target;
  const next = unreadable > 0 ? [`it has ${unreadable} keys, but none can be read`] : [
    ...await otherServices(target, service, signal),
    `looked under ${layout.prefix(service)} (--layout ${layoutName})`,
  ];
  return new CliError(`no endpoints of ${JSON.stringify(service)} in etcd at ${where}`, {
    exitCode: EXIT.notFound,
    next,
  });
}

/** What to say of the services that there are. */
async function otherServices(target: EtcdTarget, service: string, signal: AbortSignal): Promise<readonly string[]> {
  const registry = target.registry();
  let services: readonly ListedService[];
  try {
    services = await registry.list(signal);
  } catch {
    // A user may be allowed to read this service alone.
    return [];
  } finally {
    await registry.close();
  }
  const names = services.map((listed) => listed.service);
  if (names.length === 0) return ["no service is registered there"];
  const near = nearest(service, names);
  const some = names.slice(0, MOST_NAMED).join(", ");
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return [...(near === undefined ? [] : [`did you mean ${near}?`]), `registered there: ${some}${more}`];
}
