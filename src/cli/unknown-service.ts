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
  const services = unreadable > 0 ? [] : await servicesThere(target, signal);
  // It may have entries that nobody can read.
  const keys = unreadable || services?.find((listed) => listed.service === service)?.entries || 0;
  const next = keys > 0
    ? [
      `it has ${keys} ${keys === 1 ? "key, which" : "keys, none of which"} can${keys === 1 ? "'t" : ""} be read; ` +
      `connect-lb doctor ${service} says why`,
    ]
    : [
      ...otherServices(service, services),
      `looked under ${layout.prefix(service)} (--layout ${layoutName})`,
    ];
  return new CliError(`no endpoints of ${JSON.stringify(service)} in etcd at ${where}`, {
    exitCode: EXIT.notFound,
    next,
  });
}

/** The services that there are. Undefined: a user may be allowed to read one alone. */
async function servicesThere(
  target: EtcdTarget,
  signal: AbortSignal,
): Promise<readonly ListedService[] | undefined> {
  const registry = target.registry();
  try {
    return await registry.list(signal);
  } catch {
    return undefined;
  } finally {
    await registry.close();
  }
}

/** What to say of the services that there are. */
function otherServices(service: string, services: readonly ListedService[] | undefined): readonly string[] {
  if (services === undefined) return [];
  const names = services.map((listed) => listed.service);
  if (names.length === 0) return ["no service is registered there"];
  const near = nearest(service, names);
  const some = names.slice(0, MOST_NAMED).join(", ");
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return [...(near === undefined ? [] : [`did you mean ${near}?`]), `registered there: ${some}${more}`];
}
