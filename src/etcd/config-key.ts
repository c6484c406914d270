import { quoted } from "../option.ts";
import type { Layout } from "../registry/layout/layout.ts";

/** A service's name that stands in for all names, to see how a layout spells prefixes. */
const ANY = "any-service";

/**
 * Checks the key of a service config: clients of a service, those in Go among them, read every key below its prefix as
 * an endpoint, so a config can't be kept there.
 *
 * @throws TypeError that names the key, and why it can't be used.
 */
export function checkConfigKey(key: unknown, layout: Layout): asserts key is string {
  const expected = `expected a key outside of all services, such as "/service-config.simple_grpc"`;
  if (typeof key !== "string" || key === "") {
    throw new TypeError(`the key of a service config is ${quoted(key)}: ${expected}`);
  }
  const service = serviceAbove(key, layout);
  if (service === undefined) return;
  throw new TypeError(
    `the key of a service config, ${quoted(key)}, lies below the prefix of a service named ${quoted(service)}, whose ` +
      `clients would read it as an endpoint: ${expected}`,
  );
}

/** A name below whose prefix the key lies. */
function serviceAbove(key: string, layout: Layout): string | undefined {
  const prefix = layout.prefix(ANY), at = prefix.lastIndexOf(ANY);
  // A layout that does not spell out names.
  if (at < 0) return key.startsWith(prefix) ? ANY : undefined;
  const before = prefix.slice(0, at), after = prefix.slice(at + ANY.length);
  if (!key.startsWith(before)) return undefined;
  const end = key.indexOf(after, before.length + 1);
  return end < 0 ? undefined : key.slice(before.length, end);
}
