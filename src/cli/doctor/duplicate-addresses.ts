import { shownText } from "../../shown-text.ts";
import type { Finding } from "./finding.ts";
import type { RegisteredKey } from "./registered-keys.ts";

/** Addresses that several keys of one service name. */
export function duplicateAddresses(keys: readonly RegisteredKey[]): readonly Finding[] {
  const byAddress = new Map<string, RegisteredKey[]>();
  for (const registered of keys) {
    if (registered.endpoint === undefined) continue;
    const name = `${registered.service} ${registered.endpoint.address}`, same = byAddress.get(name);
    if (same === undefined) byAddress.set(name, [registered]);
    else same.push(registered);
  }
  return [...byAddress.values()].flatMap((same) => {
    if (same.length < 2) return [];
    const { endpoint, service } = same[0]!;
    const newest = same.reduce((a, b) => a.modRevision > b.modRevision ? a : b);
    const others = same.filter((one) => one !== newest).map(({ key }) => shownText(key)).join(", ");
    return [{
      severity: "warning",
      what:
        "an address is registered under several keys of one service; clients take it for one server, with what the " +
        "newest key says",
      where: `${endpoint!.address} of ${shownText(service)}: ${shownText(newest.key)} (the newest), ${others}`,
      next:
        "register each server once, with an address of its own; an old key goes with its lease, and one without a " +
        "lease with etcdctl del KEY",
    }];
  });
}
